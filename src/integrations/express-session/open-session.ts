import type { Settlement } from "../../http/settlement.ts";
import type { Psession } from "../../psession.ts";
import type { Session as CoreSession } from "../../session.ts";

/** What one request does with its session, whoever keeps it. */
export interface OpenSession {
  save(session: object): Promise<void>;
  /** Puts the stored session in place of this one. */
  reload(session: object): Promise<void>;
  /** Ends the stored session; `request.session` is gone at once. */
  destroy(session: object): Promise<void>;
  /** Puts a new session in place of this one, which ends. `isUrgent`: at once, whatever becomes of the old one. */
  regenerate(isUrgent: boolean): Promise<void>;
  /** Puts a new session into the request. */
  generate(): void;
  /** The response waits for this, and is an error where it fails. */
  owe(work: Promise<void>): void;
  commit(canSetCookies: boolean): Settlement | Promise<Settlement>;
  /** The data were changed, and nobody is saving them. */
  readonly isUnsaved: boolean;
  /** psession's own session, where a psession store keeps it. */
  readonly core: CoreSession<object> | undefined;
  readonly psession: Psession<object> | undefined;
}

const OPEN = Symbol("psession.open");

interface Opened {
  [OPEN]?: OpenSession;
}

export const openSessionOf = (request: object | undefined): OpenSession | undefined =>
  (request as Opened | undefined)?.[OPEN];

export function putOpenSession(request: object, open: OpenSession): void {
  (request as Opened)[OPEN] = open;
}
