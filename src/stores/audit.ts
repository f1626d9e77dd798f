import { randomBytes } from "node:crypto";
import type { UserId } from "../protocol/rows.ts";
import { NO_REALM } from "../protocol/secrets.ts";

/** One thing that happened around an account. Holds no secret, and nothing of a session's data. */
export interface AuditEntry {
  /** Unique, and in the order of time; 22 characters. Appending the same entry twice keeps one. */
  readonly id: string;
  /** Epoch milliseconds, by psession's clock. */
  readonly at: number;
  /** The name of a psession event, such as "login" or "theft". */
  readonly event: string;
  readonly userId: UserId | undefined;
  /** The device it happened to. */
  readonly handle: string | undefined;
  /** The address it came from, where a request was behind it. */
  readonly address: string | undefined;
  /** One word more, such as why something was ended. */
  readonly detail: string | undefined;
}

/** Where audit entries go: a table of the store, or a log service of the application. */
export interface AuditSink {
  /** Adds entries. If it throws because it did not keep all of them, psession calls it with the same ones again. */
  append(entries: readonly AuditEntry[]): Promise<void>;
  /** Deletes up to `limit` entries older than `before` (epoch milliseconds); returns how many. */
  prune?(before: number, limit: number): Promise<number>;
}

/** A sink that can be read: what stores have. */
export interface AuditTrail extends AuditSink {
  prune(before: number, limit: number): Promise<number>;
  /** Entries that fit, the newest first. */
  read(query: AuditQuery): Promise<readonly AuditEntry[]>;
  /** How often each event was recorded since that moment (epoch milliseconds). */
  count(since: number): Promise<ReadonlyMap<string, number>>;
}

/** Which entries of an audit trail are meant; the newest come first. */
export interface AuditQuery {
  readonly userId?: UserId | undefined;
  /** Entries from that moment on (epoch milliseconds). */
  readonly since?: number | undefined;
  /** The id of an entry: those before it, for the next page. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Eight characters last until the year 2059, nine for the next three thousand. */
const TIME_LENGTH = 9;
const COUNT_LENGTH = 3;
const RANDOM_LENGTH = 6;

let made = 0;

/**
 * The time first, so that keys are in the order of time and new ones come to the end of an index; then a number that
 * orders the entries of one process within a millisecond. The realm last, as in the ids of rows: an entry need not have
 * a handle.
 */
export function newAuditId(at: number, realm = NO_REALM): string {
  made = (made + 1) % 36 ** COUNT_LENGTH;
  const count = made.toString(36).padStart(COUNT_LENGTH, "0");
  return earliestAuditId(at) + count + randomBytes(5).toString("base64url").slice(0, RANDOM_LENGTH) + realm;
}

/** Comes before every id of this moment, and after those of any moment before. */
export const earliestAuditId = (at: number): string =>
  Math.max(0, Math.trunc(at)).toString(36).padStart(TIME_LENGTH, "0");
