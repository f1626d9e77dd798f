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
  /** Who acted as that user, where somebody did. */
  readonly actorId: UserId | undefined;
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
  /** Erases what it has of a user, by `psession.eraseUser`; returns how many entries. */
  erase?(erasure: AuditErasure): Promise<number>;
  /** Takes the addresses out of a page of old entries, by the option `privacy.keepAddresses`. */
  forgetAddresses?(page: AddressPage): Promise<AddressResult>;
}

/** A sink that can be read: what stores have. An entry that is appended after its user was erased is left out. */
export interface AuditTrail extends AuditSink {
  prune(before: number, limit: number): Promise<number>;
  /**
   * Final: what is appended later, here or elsewhere, and was made up to `at`, is left out as well. Repeating it erases
   * what is new. If it fails, what was erased stays so, and calling it again erases the rest.
   */
  erase(erasure: AuditErasure): Promise<number>;
  /** Entries that fit, the newest first. */
  read(query: AuditQuery): Promise<readonly AuditEntry[]>;
  /** How often each event was recorded since that moment (epoch milliseconds). */
  count(since: number): Promise<ReadonlyMap<string, number>>;
}

/** A user who is erased from an audit trail. */
export interface AuditErasure {
  readonly userId: UserId;
  /** Only entries whose ids end with this. */
  readonly realm: string;
  /** Entries of the user that were made up to then (epoch milliseconds), and come later, are left out. */
  readonly at: number;
  /** The trail may forget after this that the user was erased. */
  readonly until: number;
  /** What becomes of the user's entries. Those of other users in which this one acted stay either way. */
  readonly entries: "delete" | "pseudonym";
  /** What stands in the place of the user, as `withPseudonym` and `withoutActor` put it. In the form of a handle. */
  readonly pseudonym: string;
}

/** Which addresses are to be forgotten: a page of what is there, in an order of the store's own. */
export interface AddressPage {
  /** Only of what was recorded, or last used, before this (epoch milliseconds). */
  readonly before: number;
  /** Only of what has an id that ends with this. */
  readonly realm: string;
  /** The `next` of the page before. */
  readonly after?: string | undefined;
  /** How many rows or entries to look at. */
  readonly limit: number;
}

/** How many addresses were taken out, and where the next page begins: undefined at the end only. */
export interface AddressResult {
  readonly count: number;
  readonly next: string | undefined;
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
