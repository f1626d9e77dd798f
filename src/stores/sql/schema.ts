import type { AuditEntry } from "../audit.ts";
import type { RememberedRow, SessionRow, UserIdKind } from "../store.ts";

/** What a column holds. Each dialect has a type for each kind. */
export type ColumnKind =
  | "id"
  | "digest"
  /** Epoch milliseconds, always: times that the protocol compares. */
  | "time"
  /** Times that people look at: epoch milliseconds, or the database's own type. */
  | "moment"
  | "user"
  | "text"
  | "data"
  | "count";

export interface Column<Field extends string = string> {
  readonly field: Field;
  readonly column: string;
  readonly kind: ColumnKind;
  readonly nullable: boolean;
}

export interface Table<Field extends string = string> {
  readonly schema: string | undefined;
  readonly name: string;
  readonly columns: readonly Column<Field>[];
}

/** Where the store keeps what processes share: which migrations ran, and when rows were last pruned. */
export interface MetaRow {
  readonly name: string;
  readonly value: string;
  readonly at: number;
}

export interface LockRow {
  readonly name: string;
  readonly owner: string;
  readonly fence: number;
  readonly until: number;
  readonly pruneAfter: number;
}

/** The users of an application that has no table of its own for them yet. */
export interface UserRow {
  readonly id: unknown;
  readonly email: string;
  readonly password: string;
  readonly attempts: number;
  readonly lastSeenAt: number | undefined;
  readonly createdAt: number;
  readonly modifiedAt: number;
}

type Spec<Row> = {
  readonly [K in keyof Row & string]: readonly [column: string, kind: ColumnKind, nullable?: "null"];
};

const SESSIONS: Spec<SessionRow> = {
  id: ["id", "id"],
  secret: ["secret", "digest"],
  secretAt: ["secret_at", "time"],
  previousSecret: ["previous_secret", "digest", "null"],
  retiredSecret: ["retired_secret", "digest", "null"],
  fence: ["fence", "count"],
  rememberedId: ["remembered_id", "id", "null"],
  userId: ["user_id", "user", "null"],
  level: ["level", "text"],
  authenticatedAt: ["authenticated_at", "moment", "null"],
  confirmFrom: ["confirm_from", "time", "null"],
  data: ["data", "data"],
  version: ["version", "count"],
  createdAt: ["created_at", "moment"],
  beganAt: ["began_at", "moment"],
  lastSeenAt: ["last_seen_at", "moment"],
  idleDeadline: ["idle_deadline", "moment"],
  absoluteDeadline: ["absolute_deadline", "moment"],
  userAgent: ["user_agent", "text", "null"],
  address: ["address", "text", "null"],
  name: ["name", "text", "null"],
  tag: ["tag", "text", "null"],
  pruneAfter: ["prune_after", "time"],
};

const LOGINS: Spec<RememberedRow> = {
  id: ["id", "id"],
  userId: ["user_id", "user"],
  token: ["token", "digest"],
  previous: ["previous", "digest", "null"],
  superseded: ["superseded", "digest", "null"],
  supersededAt: ["superseded_at", "time", "null"],
  salt: ["salt", "digest"],
  keyId: ["key_id", "text"],
  generation: ["generation", "count"],
  rotatedAt: ["rotated_at", "time"],
  confirmedAt: ["confirmed_at", "time", "null"],
  strays: ["strays", "count"],
  createdAt: ["created_at", "moment"],
  lastUsedAt: ["last_used_at", "moment"],
  idleDeadline: ["idle_deadline", "moment"],
  absoluteDeadline: ["absolute_deadline", "moment"],
  revokedAt: ["revoked_at", "time", "null"],
  revokedReason: ["revoked_reason", "text", "null"],
  name: ["name", "text", "null"],
  tag: ["tag", "text", "null"],
  pruneAfter: ["prune_after", "time"],
};

const META: Spec<MetaRow> = {
  name: ["name", "text"],
  value: ["value", "text"],
  at: ["at", "time"],
};

const LOCKS: Spec<LockRow> = {
  name: ["name", "text"],
  owner: ["owner", "text"],
  fence: ["fence", "count"],
  until: ["until", "time"],
  pruneAfter: ["prune_after", "time"],
};

const AUDIT: Spec<AuditEntry> = {
  id: ["id", "id"],
  at: ["at", "moment"],
  event: ["event", "text"],
  userId: ["user_id", "user", "null"],
  handle: ["handle", "id", "null"],
  address: ["address", "text", "null"],
  detail: ["detail", "text", "null"],
};

const USERS: Spec<UserRow> = {
  id: ["id", "user"],
  email: ["email", "text"],
  password: ["password", "text"],
  attempts: ["attempts", "count"],
  lastSeenAt: ["last_seen_at", "moment", "null"],
  createdAt: ["created_at", "moment"],
  modifiedAt: ["modified_at", "moment"],
};

/** Every table's default name and its columns by field: what can be renamed. */
export const TABLES = {
  sessions: { name: "psession_sessions", spec: SESSIONS },
  logins: { name: "psession_logins", spec: LOGINS },
  meta: { name: "psession_meta", spec: META },
  locks: { name: "psession_locks", spec: LOCKS },
  audit: { name: "psession_audit", spec: AUDIT },
  users: { name: "users", spec: USERS },
} as const;

export type TableKey = keyof typeof TABLES;
export const TABLE_KEYS = Object.keys(TABLES) as TableKey[];
export type FieldOf<Key extends TableKey> = keyof (typeof TABLES)[Key]["spec"] & string;

/** None is on a column that a touch changes. An index is called after its table. */
export const INDEXES = [
  // A remembered login has one session row; parallel restores that lost it make one, not many.
  { table: "sessions", field: "rememberedId", suffix: "login", isUnique: true },
  { table: "sessions", field: "userId", suffix: "user", isUnique: false },
  { table: "sessions", field: "pruneAfter", suffix: "prune", isUnique: false },
  { table: "logins", field: "userId", suffix: "user", isUnique: false },
  { table: "logins", field: "pruneAfter", suffix: "prune", isUnique: false },
  { table: "locks", field: "pruneAfter", suffix: "prune", isUnique: false },
  { table: "audit", field: "userId", suffix: "user", isUnique: false },
] as const;

/** Tables as data: statements, migrations and the conversion of rows are all made from these. */
export interface Schema {
  readonly sessions: Table<keyof SessionRow & string>;
  readonly logins: Table<keyof RememberedRow & string>;
  readonly meta: Table<keyof MetaRow & string>;
  readonly locks: Table<keyof LockRow & string>;
  readonly audit: Table<keyof AuditEntry & string>;
  readonly users: Table<keyof UserRow & string>;
  readonly timestamps: "integer" | "datetime";
  readonly userIds: UserIdKind;
  /** psession creates the users table. */
  readonly createsUsers: boolean;
  /** There is an audit table. */
  readonly keepsAudit: boolean;
}

export function columnOf<Field extends string>(table: Table<Field>, field: Field): Column<Field> {
  const found = table.columns.find((column) => column.field === field);
  if (found === undefined) throw new Error(`${table.name} has no ${field}`);
  return found;
}
