import type { UserIdKind } from "../checks/user-id.ts";
import type {
  Level,
  RememberedRow,
  RevocationReason,
  RowLevel,
  SessionRow,
  UserId,
} from "../protocol/rows.ts";
import type { Digest } from "../protocol/secrets.ts";
import type { AddressPage, AddressResult, AuditTrail } from "./audit.ts";

export type { Level, RememberedRow, RevocationReason, RowLevel, SessionRow, UserId, UserIdKind };

/** A remembered login, and the session that it has now. */
export interface Remembered {
  readonly login: RememberedRow;
  /** The login's session row, unless it was lost. */
  readonly session: SessionRow | undefined;
}

/** The columns that a rotation writes, besides raising `generation` and clearing `confirmedAt`. */
export type Rotation = Pick<
  RememberedRow,
  | "token"
  | "previous"
  | "superseded"
  | "supersededAt"
  | "salt"
  | "keyId"
  | "rotatedAt"
  | "lastUsedAt"
  | "idleDeadline"
  | "pruneAfter"
>;

/**
 * A session being used; nothing that a save or a rotation could conflict with. Times are set as they are given, earlier
 * ones too, except for the session's `pruneAfter`.
 */
export interface Touch {
  readonly sessionId: string;
  readonly lastSeenAt: number;
  /** Undefined keeps the session's own: an accepted request must not revive an idle secret. */
  readonly idleDeadline: number | undefined;
  /**
   * The larger of this and what is there: a sign-in may have given the row a longer life meanwhile. Of several touches of one
   * session that are recorded together the largest counts as well.
   */
  readonly pruneAfter: number;
  /** Counts whether or not the session is still there. */
  readonly remembered: RememberedUse | undefined;
}

/**
 * The use of a remembered login: sets its times as given and, where `confirm` fits, confirms its token. A revoked login is
 * left as it is, its `pruneAfter` too.
 */
export interface RememberedUse {
  readonly id: string;
  readonly lastUsedAt: number;
  readonly idleDeadline: number;
  readonly pruneAfter: number;
  /**
   * Takes effect only on an unrevoked, unconfirmed login of exactly this generation and current token;
   * then it also clears the session's `confirmFrom`.
   */
  readonly confirm: { readonly generation: number; readonly token: Digest; readonly at: number } | undefined;
}

/**
 * A credential that was proved. It counts only if none of the marks lies at or after it (`conflict`: "outdated"). The store
 * compares them in the transaction of the change: of a change and a mark made at once, either the change is refused or
 * the caller that set the mark finds the change's rows.
 */
export interface Proof {
  /** Names of marks: 1 to 64 printable ASCII characters, no space at either end. */
  readonly marks: readonly string[];
  /** The one of `marks` that is set with `ofEveryone`: every proof names it, so a store may not want to lock it each time. */
  readonly ofEveryone?: string | undefined;
  readonly provedAt: number;
}

/** Proofs up to `at` no longer count. A mark never moves back; the store may forget it after `until`. */
export interface Mark {
  readonly name: string;
  /** Proofs name it as `ofEveryone`. It is set rarely, and may be slow. */
  readonly ofEveryone?: boolean | undefined;
  readonly at: number;
  readonly until: number;
}

/** Which state of a login an ending speaks of; decided by a read that may be older than the row. */
export type Misfit =
  /** The row lost rotations: its generation is below the one that was presented. */
  | { readonly kind: "behind"; readonly generation: number }
  /** Both sides of a split store rotated: this generation has another token. */
  | { readonly kind: "forked"; readonly generation: number; readonly token: Digest };

/**
 * A session, a login, or one of each to end inside a change. A session takes its login along, and a login its session; where
 * both are named, they may belong to two devices, and each ends on its own conditions. Ending what is not there is no
 * failure. What the change itself has written is spared: see `Store.apply`.
 */
export interface Ending {
  readonly session?: SessionEnding | undefined;
  readonly login?: LoginEnding | undefined;
  readonly reason: RevocationReason;
  readonly at: number;
  /** Until when the tombstone is kept. */
  readonly pruneAfter: number;
}

/** The session that an `Ending` ends, and on which conditions. */
export interface SessionEnding {
  readonly id: string;
  /** The user that the session must have to end, null for an anonymous one: a user may have signed in on it meanwhile. */
  readonly userId: UserId | null;
  /**
   * With it the session, and with that its login, ends only if this is the digest of its current,
   * previous or retired secret.
   */
  readonly secret?: Digest | undefined;
}

/** The login that an `Ending` ends, and on which conditions. */
export interface LoginEnding {
  readonly id: string;
  /** With it the login ends only while it is in that state. */
  readonly misfit?: Misfit | undefined;
  /** With it the login ends only if this digest is its current, previous or superseded token. */
  readonly token?: Digest | undefined;
  /** With it and `token` the login ends also if it is this user's, whatever the token. */
  readonly orOfUser?: UserId | undefined;
}

/**
 * The most devices that a user may have. A device is a session, a remembered login, or both together; it counts while either
 * is alive, at its very deadline too. It was last used when either was: `lastSeenAt` or `lastUsedAt`, whichever is later.
 */
export interface Cap {
  readonly userId: UserId;
  /** Only devices of this tag count, and end: their session's, or their login's where they have none. */
  readonly tag?: string | undefined;
  /** The device that the change makes is one of them. */
  readonly max: number;
  /** Beyond `max` either the change is refused as `full`, or the devices that were not used for longest end. */
  readonly overflow: "refuse" | "evictOldest";
  /** Only devices whose ids end with this count, and end. */
  readonly realm?: string | undefined;
  readonly reason: RevocationReason;
  readonly at: number;
  readonly pruneAfter: number;
}

/** A save of a session that is there. */
export interface SessionUpdate {
  readonly id: string;
  /** The version that must still be there; afterwards it is one higher. */
  readonly version: number;
  /** The user that the row will have, changed or not: for what is bound to its user. */
  readonly owner?: UserId | undefined;
  readonly set: Partial<Omit<SessionRow, "id" | "version" | "createdAt">>;
}

/**
 * What changes may consist of. Without `end` and `caps` it is one session with its logins, whose ids are siblings: they begin
 * with the same six characters.
 */
export interface ChangeParts {
  /** Only if the login is unrevoked and its generation still this one; afterwards it is one higher. */
  readonly rotate?: { readonly id: string; readonly generation: number; readonly set: Rotation } | undefined;
  /** Only if the login is unrevoked and of this generation; changes nothing in it. */
  readonly hold?: { readonly id: string; readonly generation: number } | undefined;
  /** Only if the login is unrevoked, of this generation, and had fewer strays than `max`: then it has one more. */
  readonly stray?: { readonly id: string; readonly generation: number; readonly max: number } | undefined;
  /** Only if the credential that the change rests on was proved after its user's marks. */
  readonly proof?: Proof | undefined;
  readonly remember?: RememberedRow | undefined;
  readonly insert?: SessionRow | undefined;
  readonly update?: SessionUpdate | undefined;
  readonly use?: RememberedUse | undefined;
  readonly end?: readonly Ending[] | undefined;
  /** All of one user. What one of them ends the next does not count. */
  readonly caps?: readonly Cap[] | undefined;
}

/** A new row, or a change of the one that was read; neither, where only the login is concerned. */
type RowParts = Pick<ChangeParts, "insert" | "update">;

/** A visitor's first session: without a user, a login or a tag. */
export interface CreateChange extends Pick<ChangeParts, "insert"> {
  readonly kind: "create";
  readonly insert: SessionRow;
}

/** Of a session that stays with its user, its login and its tag. */
export type KeptUpdate = SessionUpdate & {
  readonly set: { readonly userId?: never; readonly rememberedId?: never; readonly tag?: never };
};

/** What a request has changed in its session; `proof` where its user has just confirmed a credential. */
export interface SaveChange extends Pick<ChangeParts, "use" | "proof"> {
  readonly kind: "save";
  readonly update: KeptUpdate;
}

/** A remembered login brings its session back, and gets the next token. */
export interface RestoreChange extends Pick<ChangeParts, "insert" | "proof"> {
  readonly kind: "restore";
  readonly rotate: NonNullable<ChangeParts["rotate"]>;
  readonly update?: KeptUpdate | undefined;
}

/** A request with an earlier token of a login is let in, and saves. */
export interface AcceptChange extends RowParts, Pick<ChangeParts, "hold" | "proof" | "use"> {
  readonly kind: "accept";
}

/** A user proves a credential, and gets the session at hand or a new one, with a login where it is to be remembered. */
export interface SignInChange extends RowParts, Pick<ChangeParts, "proof" | "remember" | "end" | "caps"> {
  readonly kind: "signIn";
}

/** New secrets for a session, and another login in place of its own. */
export interface RenewChange extends RowParts, Pick<ChangeParts, "hold" | "proof" | "remember" | "end"> {
  readonly kind: "renew";
}

/** Counts a request with a replaced token that is not taken for a theft. */
export interface StrayChange {
  readonly kind: "stray";
  readonly stray: NonNullable<ChangeParts["stray"]>;
}

/** Devices that the request at hand knows end, as at a sign-out; what was stored for a farewell is a new session. */
export interface EndChange extends Pick<ChangeParts, "insert"> {
  readonly kind: "end";
  readonly end: readonly Ending[];
}

/**
 * Ends everything selected, atomically against rotations and saves in flight: logins get a tombstone and
 * a higher generation, sessions are deleted. Returns what was ended; repeating it ends nothing more.
 *
 * A selector that names nothing ends nothing. A store may end `everyone` in parts, each of them atomic: when it returns,
 * all that existed when it began has ended, despite changes in flight; what is made meanwhile may stay. If it fails, what
 * was ended stays ended, and calling it again ends the rest.
 */
export interface RevokeChange extends EndSelector {
  readonly kind: "revoke";
}

/** Refused as `missing` where the user has no such device. Conflicts with nothing: versions do not change. */
export interface NameChange extends Naming {
  readonly kind: "name";
}

/**
 * Deletes every row that names a user, as its own, as the user of a sign-in that waits, or as the one who acts: what
 * `rowsOf` gives, tombstones too. The mark is set first, so that a change that rests on an earlier proof is either
 * deleted or refused. Other changes need a row that is there; what they make of it while this is under way, such as a
 * login in place of another, is deleted as well. `ended` has what was deleted, each row alone or with the other one of its
 * device. A store may do it in parts: if it fails, what was deleted stays so, and calling it again deletes the rest.
 */
export interface EraseChange {
  readonly kind: "erase";
  readonly userId: UserId;
  /** Only rows whose ids end with this. */
  readonly realm?: string | undefined;
  readonly mark: Mark;
}

/** What one request changes: performed together or not at all. */
export type Write =
  | CreateChange
  | SaveChange
  | RestoreChange
  | AcceptChange
  | SignInChange
  | RenewChange
  | StrayChange
  | EndChange;

/** An argument of `Store.apply`; `kind` names its purpose. */
export type Change = Write | RevokeChange | NameChange | EraseChange;

/**
 * `conflict` names the condition that no longer held; then the store changed nothing.
 * rotation: revoked or another generation. exists: `insert` or `remember` would have replaced a row, or `insert` or `update`
 * would have given a login a second session. stale: another version. missing: the row is gone, and a save never brings it
 * back. full: a cap. outdated: a mark. strayed: `stray` does not hold.
 */
export type ChangeResult =
  | { readonly done: true; readonly ended: readonly Ended[] }
  | { readonly done: false; readonly conflict: Conflict };

/** The condition of a change that no longer held; `ChangeResult` explains each. */
export type Conflict = "rotation" | "exists" | "stale" | "missing" | "full" | "outdated" | "strayed";

/** Which sessions and logins to end. `except` names a session or a login that stays, together with what belongs to it. */
export interface EndSelector {
  /** A session's or a login's id; one ends the other. */
  readonly handle?: string | undefined;
  /** The user whose devices end; left out, any user's. */
  readonly userId?: UserId | undefined;
  /** Every session and login there is, anonymous sessions too. Counts where neither handle nor user is named. */
  readonly everyone?: boolean | undefined;
  readonly except?: string | undefined;
  /** Only what has an id that ends with this. */
  readonly realm?: string | undefined;
  /** Only what was last used before this (epoch milliseconds), counted as for `Cap`; never the record of a key. */
  readonly lastUsedBefore?: number | undefined;
  /** Set before anything is ended: a sign-in in between is either ended or refused. */
  readonly mark?: Mark | undefined;
  readonly reason: RevocationReason;
  readonly at: number;
  readonly pruneAfter: number;
}

/** A device that has ended: its session, its login, or both, as far as they were there and ended. */
export interface Ended {
  readonly sessionId: string | undefined;
  readonly rememberedId: string | undefined;
  readonly userId: UserId | undefined;
  readonly reason: RevocationReason;
  /** As its rows have it; left out where they have none. */
  readonly handle?: string | undefined;
  /** It was a record about a browser, of trust or of a key, which is no device. Left out otherwise. */
  readonly isRecord?: true;
}

/**
 * Names a device, or takes its name away; by the handle of its session or login, and only if that belongs to the user:
 * an anonymous session is no device.
 */
export interface Naming {
  readonly handle: string;
  readonly userId: UserId;
  readonly name: string | undefined;
}

/** A lock to be taken. Times are epoch milliseconds. */
export interface LockRequest {
  /** At most 150 characters of well-formed Unicode without control characters, compared exactly: "x" and "x " are two. */
  readonly name: string;
  /** Identifies this holder: unguessable, new for every acquisition, and without spaces. */
  readonly owner: string;
  readonly now: number;
  readonly until: number;
  /** A lock that runs beyond `now + longest` was dated by a wrong clock, and may be taken. Default: no such limit. */
  readonly longest?: number | undefined;
}

/** The lock for pruning; its fence is the time of the last pruning. All realms share it. */
export const PRUNE_LOCK = "psession/prune";

/** Locks by name, across all processes that share the store. They are advisory and expire: `apply` checks what must hold. */
export interface StoreLocks {
  /**
   * Takes the lock `name` until `until`, unless another owner's still runs at `now`; at `until` it has run out. Returns its
   * fence, or undefined: a number that is not below `now` and grows with every acquisition of this name. Fences of
   * different names cannot be compared.
   */
  acquire(lock: LockRequest): Promise<number | undefined>;
  /** Gives a lock back; does nothing where `owner` does not hold it. */
  release(name: string, owner: string): Promise<void>;
}

/** What a subscription to a `StoreChannel` hears. */
export interface ChannelListener {
  onMessage(text: string): void;
  /** Messages may have been missed; from here on they come again. */
  onGap(): void;
  /** No more will come: subscribe again. */
  onLost(): void;
}

/** Short messages to all processes that share the store, as the server passes them on: none is kept. */
export interface StoreChannel {
  /** At most 7,000 printable ASCII characters. */
  publish(text: string): Promise<void>;
  /**
   * Resolves when messages of all processes arrive, of this one too, with the function that ends it. Rejects where the
   * server refuses.
   */
  subscribe(listener: ChannelListener): Promise<() => Promise<void>>;
}

/** A place where sessions and remembered logins are kept. Optional members stand at the end. */
export interface Store {
  /** For messages, such as "memory" or "sqlite". */
  readonly name: string;

  /** The ids that it keeps: it refuses all others with `invalid_user_id`. */
  readonly userIds: UserIdKind;

  /**
   * The row of this id, whatever its deadlines say. Missing gives undefined; throws only if the system
   * failed (`store_unavailable`). Reads what is newest: never from a replica.
   */
  findSession(id: string): Promise<SessionRow | undefined>;

  /** The login of this id, tombstones included, with its session row. One round trip. */
  findRemembered(id: string): Promise<Remembered | undefined>;

  /**
   * Performs a change atomically; the parts of a `Write` in the order proof, rotate or hold, stray, remember, insert or
   * update, use, end, caps.
   * `end` and `caps` spare what the change has just written, and do not report it: the session that was inserted or updated
   * with the login that it belongs to now, and the login of `remember`. A conditional part that fails undoes
   * everything. Insert never replaces. The store itself retries deadlocks and serialization failures. The caps of
   * parallel changes of one user count each other's devices.
   */
  apply(change: Change): Promise<ChangeResult>;

  /** Records uses of sessions. Rows that are gone are skipped; versions do not change. */
  touch(touches: readonly Touch[]): Promise<void>;

  /**
   * A user's sessions and unrevoked logins, whatever their deadlines say, in no order. Without the sessions' data: a list
   * of devices shows none, and reading it for a user with many sessions would slow every other request. `findSession`
   * gives one session's data.
   */
  list(userId: UserId): Promise<readonly ListedEntry[]>;

  /** All rows that name a user, as `EraseChange` deletes them, with the sessions' data; in no order. */
  rowsOf(userId: UserId): Promise<UserRows>;

  /**
   * Deletes up to `limit` rows of each kind whose `pruneAfter` lies before `now`; returns how many. A lock that still
   * runs at `now` stays. A login whose session was deleted may get another one. A store whose rows expire by themselves has
   * nothing to do.
   */
  prune(now: number, limit: number): Promise<PruneResult>;

  /**
   * The server's clock, epoch milliseconds. Left out by stores that have none but this process's.
   */
  readonly clock?: (() => Promise<number>) | undefined;

  /** Releases what the store itself opened. */
  readonly close?: (() => Promise<void>) | undefined;

  /** Without it `session.lock`, `exclusive` and the like throw, and each process prunes by itself. */
  readonly locks?: StoreLocks | undefined;

  /** Without it, processes find out by reading that a session which they watch has ended elsewhere. */
  readonly channel?: StoreChannel | undefined;

  readonly admin?: StoreAdmin | undefined;

  /** Takes the addresses out of a page of sessions that were not used for long: the option `privacy.keepAddresses`. */
  readonly forgetAddresses?: ((page: AddressPage) => Promise<AddressResult>) | undefined;

  /** The audit trail, if the store was made with one. */
  readonly audit?: AuditTrail | undefined;

  /**
   * Creates or updates the tables, for stores that have some; many processes may do so at once. Returns the names of the
   * migrations that ran. Throws where the tables were made with other options.
   */
  readonly migrate?: ((options?: MigrateOptions) => Promise<readonly string[]>) | undefined;
}

/** How far `Store.migrate` may go. */
export interface MigrateOptions {
  /**
   * Tables whose columns are of other types than the options say are removed and made anew, if all of psession's tables
   * are empty: nothing in them is lost. Otherwise it throws as without it. Default: false.
   */
  readonly remakesEmpty?: boolean | undefined;
}

/** What administration needs beyond serving requests. Optional for third-party stores. */
export interface StoreAdmin {
  /**
   * Sessions and unrevoked logins in pages, in an order of the store's own; `next` is where the following page
   * begins, undefined at the end only. What is there from the first page to the last comes exactly once. A page may have
   * fewer entries than `limit`; it has more only where all of them have one shard key (`shardKeyOf`), as a store may read
   * a whole shard at once.
   */
  browse(page: BrowsePage): Promise<BrowseResult>;
  /** Facts about the database, for `psession doctor` and `psession stats`. */
  inspect(): Promise<StoreReport>;
}

/**
 * The page that `StoreAdmin.browse` reads: up to `limit` entries, from the `next` of the page before.
 */
export interface BrowsePage {
  readonly after?: string | undefined;
  readonly limit: number;
}

/** A page of devices, and where the next one begins. */
export interface BrowseResult {
  readonly entries: readonly UserEntry[];
  readonly next: string | undefined;
}

/** What `StoreAdmin.inspect` finds. */
export interface StoreReport {
  /** The database's clock, epoch milliseconds. */
  readonly now: number;
  /** Server and version, as it calls itself. */
  readonly version: string;
  /** Sessions first, then logins, then others. Rows of large tables are estimated. */
  readonly tables: readonly TableReport[];
  /**
   * When `PRUNE_LOCK` was last taken (epoch milliseconds): its fence, or its end where that is earlier. Undefined before
   * the first time, and where rows expire by themselves.
   */
  readonly prunedAt: number | undefined;
  /** The files that the rows are in, where the database is one of this machine's own. */
  readonly files?: readonly string[] | undefined;
  /** What is wrong or will go wrong, each with a stable code and a message with the remedy. */
  readonly faults: readonly StoreFault[];
}

/** A table, or what a store has in its place; `bytes` is undefined where the database does not say. */
export interface TableReport {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number | undefined;
}

/** Something that is wrong, or will go wrong, in a database. */
export interface StoreFault {
  readonly code: string;
  readonly message: string;
}

/** One device of a user: a session, a remembered login, or both together. */
export type UserEntry =
  | { readonly session: SessionRow; readonly login: RememberedRow | undefined }
  | { readonly session: undefined; readonly login: RememberedRow };

/** A session as lists have it. */
export type ListedSession = Omit<SessionRow, "data">;

/** One device of a user, as lists have it. */
export type ListedEntry =
  | { readonly session: ListedSession; readonly login: RememberedRow | undefined }
  | { readonly session: undefined; readonly login: RememberedRow };

/** Every row that names a user, whatever its deadlines say. */
export interface UserRows {
  /** Sessions of the user, records of trust, sign-ins that wait, and sessions in which the user acts as another. */
  readonly sessions: readonly SessionRow[];
  /** Remembered logins, tombstones too. */
  readonly logins: readonly RememberedRow[];
}

/** How many rows of each kind were deleted. */
export interface PruneResult {
  readonly sessions: number;
  readonly logins: number;
}
