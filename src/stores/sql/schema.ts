import type { AuditEntry } from "../audit.ts";
import { type FieldKind, LOGIN_FIELDS, SESSION_FIELDS, type Spec } from "../columns.ts";
import type { RememberedRow, SessionRow, UserId, UserIdKind } from "../store.ts";

export interface Column<Field extends string = string> {
  readonly field: Field;
  readonly column: string;
  readonly kind: FieldKind;
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
  readonly id: UserId;
  readonly email: string;
  readonly password: string;
  readonly attempts: number;
  readonly lastSeenAt: number | undefined;
  readonly createdAt: number;
  readonly modifiedAt: number;
}

export const META_FIELDS = {
  name: ["name", "text", "not null"],
  value: ["value", "text", "not null"],
  at: ["at", "time", "not null"],
} as const satisfies Spec<MetaRow>;

export const LOCK_FIELDS = {
  name: ["name", "text", "not null"],
  owner: ["owner", "text", "not null"],
  fence: ["fence", "count", "not null"],
  until: ["until", "time", "not null"],
  pruneAfter: ["prune_after", "time", "not null"],
} as const satisfies Spec<LockRow>;

const AUDIT = {
  id: ["id", "id", "not null"],
  at: ["at", "moment", "not null"],
  event: ["event", "text", "not null"],
  userId: ["user_id", "user", "null"],
  actorId: ["actor_user_id", "user", "null"],
  handle: ["handle", "id", "null"],
  address: ["address", "text", "null"],
  detail: ["detail", "text", "null"],
} as const satisfies Spec<AuditEntry>;

const USERS = {
  id: ["id", "user", "not null"],
  email: ["email", "text", "not null"],
  password: ["password", "text", "not null"],
  attempts: ["attempts", "count", "not null"],
  lastSeenAt: ["last_seen_at", "moment", "null"],
  createdAt: ["created_at", "moment", "not null"],
  modifiedAt: ["modified_at", "moment", "not null"],
} as const satisfies Spec<UserRow>;

/** Every table's default name and its columns by field: what can be renamed. */
export const TABLES = {
  sessions: { name: "psession_sessions", spec: SESSION_FIELDS },
  logins: { name: "psession_logins", spec: LOGIN_FIELDS },
  meta: { name: "psession_meta", spec: META_FIELDS },
  locks: { name: "psession_locks", spec: LOCK_FIELDS },
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
  // What else names a user who is to be erased.
  { table: "sessions", field: "pendingUserId", suffix: "pending", isUnique: false },
  { table: "sessions", field: "actorUserId", suffix: "actor", isUnique: false },
  { table: "sessions", field: "pruneAfter", suffix: "prune", isUnique: false },
  { table: "logins", field: "userId", suffix: "user", isUnique: false },
  { table: "logins", field: "pruneAfter", suffix: "prune", isUnique: false },
  { table: "locks", field: "pruneAfter", suffix: "prune", isUnique: false },
  { table: "audit", field: "userId", suffix: "user", isUnique: false },
  { table: "audit", field: "actorId", suffix: "actor", isUnique: false },
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
