import type { Settlement } from "../../http/settlement.ts";
import type { Psession } from "../../psession.ts";
import type { Session as CoreSession } from "../../session.ts";

/** One request's session, in either backend. */
export interface OpenSession {
  save(session: object): Promise<void>;
  /** Replaces this session by the stored one. */
  reload(session: object): Promise<void>;
  /** Ends the stored session; `request.session` is gone at once. */
  destroy(session: object): Promise<void>;
  /** Ends this session and puts a new one in its place. `isUrgent`: at once, even if the old one cannot be ended. */
  regenerate(isUrgent: boolean): Promise<void>;
  /** Puts a new session into the request. */
  generate(): void;
  /** The response waits for this, and becomes an error if it fails. */
  owe(work: Promise<void>): void;
  commit(canSetCookies: boolean): Settlement | Promise<Settlement>;
  /** The data were changed, and no save is under way. */
  readonly isUnsaved: boolean;
  /** psession's own session, in a psession store. */
  readonly core: CoreSession<object> | undefined;
  readonly psession: Psession<object> | undefined;
  /** Calls a method of `core`, and reads and writes the data before and after; in a psession store. */
  call?(name: string, values: readonly unknown[]): unknown;
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
