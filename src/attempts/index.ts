export type { Duration } from "../checks/duration.ts";
export {
  type Attempt,
  type AttemptedAccount,
  type AttemptSession,
  type SignInAttempts,
  signInAttempts,
  type Verified,
} from "./attempts.ts";
export type { AttemptCount, AttemptLimiter } from "./counters.ts";
export type { AttemptLimits, AttemptsPostgres, SignInAttemptsOptions } from "./options.ts";
