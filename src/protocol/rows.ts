import type { Digest } from "./secrets.ts";

/** The application's id of a user. Compared strictly: 7 and "7" are two users. */
export type UserId = string | number;

/**
 * How the visitor was identified: `remembered` came back by cookie, `login` proved a credential, and `device-bound` did so
 * in a browser that has proved besides that it holds the key which the session is bound to.
 */
export type Level = "anonymous" | "remembered" | "login" | "device-bound";

/** What a session's row says; whether it is bound is in a field of its own. */
export type SessionLevel = Exclude<Level, "device-bound">;

/**
 * Two levels are of rows that are no sessions. `trust`: its user trusts the browser that holds its secret. `binding`: the
 * public key that a session is bound to, and its challenges (`protocol/bound.ts`); nobody has its secret.
 */
export type RowLevel = SessionLevel | "trust" | "binding";

/** Whether a row is a session, and not a record about a browser. */
export const isSession = <Row extends { readonly level: string }>(
  row: Row,
): row is Row & { readonly level: SessionLevel } => row.level !== "trust" && row.level !== "binding";

/**
 * Why a login or session was ended. `replaced`: the same browser signed in again. `tag`: another one did, under the
 * same tag. `cap`: the user had too many devices.
 */
export type RevocationReason =
  | "logout"
  | "replaced"
  | "tag"
  | "cap"
  | "revoked"
  | "theft"
  | "password_changed"
  | (string & Record<never, never>);

/** All times are epoch milliseconds. */
export interface SessionRow {
  /**
   * Never changes, whatever happens to the secret. Ids are compared exactly, capital letters too. A session and its
   * remembered login share the first six characters, so that a store in many parts can keep them together.
   */
  readonly id: string;
  readonly secret: Digest;
  /** When the current secret was made. */
  readonly secretAt: number;
  /** The secret that a rotation or `regenerate` replaced; undefined where the old one gets nothing. */
  readonly previousSecret: Digest | undefined;
  /**
   * The secret that a renewal or a confirmed password replaced: it gets nothing, but within GRACE it may still sign out.
   * Undefined after any other exchange.
   */
  readonly retiredSecret: Digest | undefined;
  /**
   * Counts exchanges after which an older secret gets nothing: sign-ins, renewals, confirmed passwords. A request that
   * stands on another number than the row's saves nothing.
   */
  readonly fence: number;
  /** The remembered login this session belongs to. Unique: a login has one session row. */
  readonly rememberedId: string | undefined;
  readonly userId: UserId | undefined;
  readonly level: RowLevel;
  /** When a credential was last proved. */
  readonly authenticatedAt: number | undefined;
  /** How, and when each: text that `protocol/proofs.ts` writes and reads. Undefined where no method was named. */
  readonly proofs: string | undefined;
  /** Whose sign-in has begun on this session, and has not been completed; see `pending`. */
  readonly pendingUserId: UserId | undefined;
  /** What is known of that sign-in: text that `protocol/pending.ts` writes and reads. */
  readonly pending: string | undefined;
  /** The administrator who acts as this user, and what is known of that: text that `protocol/actor.ts` writes and reads. */
  readonly actorUserId: UserId | undefined;
  readonly actor: string | undefined;
  /**
   * The key that the session is bound to, and since when: text that `protocol/bound.ts` writes and reads. Undefined where it
   * is not.
   */
  readonly bound: string | undefined;
  /** From when on a request with the login's current token confirms it; undefined once that has happened. */
  readonly confirmFrom: number | undefined;
  /** Encoded session data. */
  readonly data: string;
  /** Counts changes of data and identity; every save is conditional on it. */
  readonly version: number;
  readonly createdAt: number;
  /** From when the absolute deadline runs: the first use, a sign-in, a restore, or a confirmed password. */
  readonly beganAt: number;
  readonly lastSeenAt: number;
  /** A session or login is alive up to its deadlines, and still at the very millisecond of the earlier one. */
  readonly idleDeadline: number;
  readonly absoluteDeadline: number;
  /** Lives of this sign-in in milliseconds, shorter than the options'; undefined where those apply. */
  readonly idleFor: number | undefined;
  readonly absoluteFor: number | undefined;
  readonly userAgent: string | undefined;
  readonly address: string | undefined;
  /** What lists call this device, where that is not the id of its login or session: it had another before. */
  readonly handle: string | undefined;
  /** What the user calls this device, and what the application calls its kind; the login's row has copies. */
  readonly name: string | undefined;
  readonly tag: string | undefined;
  /** The row is garbage after this. Coarse, so that touches rarely change it and no index moves. */
  readonly pruneAfter: number;
}

/**
 * A remembered login as stores keep it: a browser that may come back without signing in. Times are epoch
 * milliseconds.
 */
export interface RememberedRow {
  readonly id: string;
  readonly userId: UserId;
  readonly token: Digest;
  /** The predecessor of `token`, until a rotation replaces it. */
  readonly previous: Digest | undefined;
  /** A successor that was replaced before it was confirmed. */
  readonly superseded: Digest | undefined;
  readonly supersededAt: number | undefined;
  /** Part of the derivation of the current token; new at every rotation. */
  readonly salt: Uint8Array;
  readonly keyId: string;
  /** Counts rotations; a revocation raises it too. Every change is conditional on it. */
  readonly generation: number;
  readonly rotatedAt: number;
  /** When a request confirmed that the browser has stored the current token. */
  readonly confirmedAt: number | undefined;
  /** How often the predecessor of the current token came too late and was refused without an alarm. */
  readonly strays: number;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly idleDeadline: number;
  /** Runs from the full login and never moves. */
  readonly absoluteDeadline: number;
  readonly revokedAt: number | undefined;
  readonly revokedReason: RevocationReason | undefined;
  /** As in the session, and what follows too, for the session row that is made anew where it was lost. */
  readonly handle: string | undefined;
  readonly name: string | undefined;
  readonly tag: string | undefined;
  readonly pruneAfter: number;
}

type Deadlines = Pick<SessionRow, "idleDeadline" | "absoluteDeadline">;

/** When a session or a login ends, unless it is used before. */
export const endOf = (row: Deadlines): number => Math.min(row.idleDeadline, row.absoluteDeadline);

export const isPast = (row: Deadlines, now: number): boolean => now > endOf(row);
