import type { RememberedRow, SessionRow } from "./store.ts";

/** What a field of a row holds. Every store has a form for each kind. */
export type FieldKind =
  | "id"
  | "digest"
  | "salt"
  /** Epoch milliseconds, always: times that the protocol compares. */
  | "time"
  /** Times that people look at: epoch milliseconds, or the database's own type. */
  | "moment"
  | "user"
  | "text"
  | "data"
  | "count";

export const isBytes = (kind: FieldKind): boolean => kind === "digest" || kind === "salt";

type KindOf<Value> = [Value] extends [Uint8Array]
  ? "digest" | "salt"
  : [Value] extends [number]
    ? "time" | "moment" | "count"
    : [Value] extends [string]
      ? "id" | "text" | "data"
      : "user";

/** By field: its column in SQL, its kind, whether there may be none, and what Redis calls it. */
export type Spec<Row> = {
  readonly [K in keyof Row & string]: readonly [
    column: string,
    kind: KindOf<NonNullable<Row[K]>>,
    nullable: undefined extends Row[K] ? "null" : "not null",
    short?: string,
  ];
};

/*
 * All that stores know of a row's fields. Tables, statements, readers and Kysely's types are made from these; scripts in
 * Redis know some of the short names, and use `si`, `ix` and `by` for themselves.
 */

export const SESSION_FIELDS = {
  id: ["id", "id", "not null"],
  secret: ["secret", "digest", "not null", "se"],
  secretAt: ["secret_at", "time", "not null", "sa"],
  previousSecret: ["previous_secret", "digest", "null", "ps"],
  retiredSecret: ["retired_secret", "digest", "null", "rs"],
  fence: ["fence", "count", "not null", "fe"],
  rememberedId: ["remembered_id", "id", "null", "re"],
  userId: ["user_id", "user", "null", "us"],
  level: ["level", "text", "not null", "le"],
  authenticatedAt: ["authenticated_at", "moment", "null", "au"],
  proofs: ["proofs", "text", "null", "pf"],
  pendingUserId: ["pending_user_id", "user", "null", "pu"],
  pending: ["pending", "text", "null", "pe"],
  actorUserId: ["actor_user_id", "user", "null", "ac"],
  actor: ["actor", "text", "null", "at"],
  bound: ["bound", "text", "null", "bd"],
  confirmFrom: ["confirm_from", "time", "null", "cf"],
  data: ["data", "data", "not null"],
  version: ["version", "count", "not null", "ve"],
  createdAt: ["created_at", "moment", "not null", "cr"],
  beganAt: ["began_at", "moment", "not null", "ba"],
  lastSeenAt: ["last_seen_at", "moment", "not null", "ls"],
  idleDeadline: ["idle_deadline", "moment", "not null", "id"],
  absoluteDeadline: ["absolute_deadline", "moment", "not null", "ab"],
  idleFor: ["idle_for", "count", "null", "il"],
  absoluteFor: ["absolute_for", "count", "null", "al"],
  userAgent: ["user_agent", "text", "null", "ua"],
  address: ["address", "text", "null", "ad"],
  handle: ["handle", "id", "null", "ha"],
  name: ["name", "text", "null", "na"],
  tag: ["tag", "text", "null", "ta"],
  pruneAfter: ["prune_after", "time", "not null", "pr"],
} as const satisfies Spec<SessionRow>;

export const LOGIN_FIELDS = {
  id: ["id", "id", "not null"],
  userId: ["user_id", "user", "not null", "us"],
  token: ["token", "digest", "not null", "to"],
  previous: ["previous", "digest", "null", "pv"],
  superseded: ["superseded", "digest", "null", "su"],
  supersededAt: ["superseded_at", "time", "null", "sw"],
  salt: ["salt", "salt", "not null", "sl"],
  keyId: ["key_id", "text", "not null", "ke"],
  generation: ["generation", "count", "not null", "ge"],
  rotatedAt: ["rotated_at", "time", "not null", "ro"],
  confirmedAt: ["confirmed_at", "time", "null", "ca"],
  strays: ["strays", "count", "not null", "st"],
  createdAt: ["created_at", "moment", "not null", "cr"],
  lastUsedAt: ["last_used_at", "moment", "not null", "lu"],
  idleDeadline: ["idle_deadline", "moment", "not null", "id"],
  absoluteDeadline: ["absolute_deadline", "moment", "not null", "ab"],
  revokedAt: ["revoked_at", "time", "null", "rv"],
  revokedReason: ["revoked_reason", "text", "null", "rr"],
  handle: ["handle", "id", "null", "ha"],
  name: ["name", "text", "null", "na"],
  tag: ["tag", "text", "null", "ta"],
  pruneAfter: ["prune_after", "time", "not null", "pr"],
} as const satisfies Spec<RememberedRow>;

/** A row with no value yet. Rows that are filled from a copy have one shape, which is what makes reading them fast. */
export const emptyRow = (fields: readonly string[]): Readonly<Record<string, undefined>> =>
  Object.fromEntries(fields.map((field) => [field, undefined]));

/** What cannot be read of a damaged row's number: a deadline is the last moment of a `Date`, or no list would show the device. */
export const unreadable = (field: string): number => (field.endsWith("Deadline") ? LAST_MOMENT : 0);

export const LAST_MOMENT = 8.64e15;
