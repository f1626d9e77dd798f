import type { Psession } from "psession";
import type { SignInAttempts } from "psession/attempts";
import type { Billing } from "./billing.ts";
import type { DemoClock } from "./clock.ts";
import type { Credentials } from "./credentials.ts";
import type { EventLog } from "./event-log.ts";
import type { Otp } from "./otp.ts";
import type { Outbox } from "./outbox.ts";
import type { Passkeys } from "./passkeys.ts";
import type { Resets } from "./resets.ts";
import type { Site } from "./site.ts";
import type { Users } from "./users.ts";

/** The objects that the routes use. */
export interface Parts {
  readonly site: Site;
  readonly psession: Psession;
  readonly clock: DemoClock;
  readonly users: Users;
  readonly credentials: Credentials;
  readonly attempts: SignInAttempts;
  readonly otp: Otp;
  readonly passkeys: Passkeys;
  readonly resets: Resets;
  readonly outbox: Outbox;
  readonly billing: Billing;
  readonly events: EventLog;
}
