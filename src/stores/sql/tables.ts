import type { RememberedRow, SessionRow } from "../store.ts";

/** What a column holds. Each dialect has a type for each kind. */
export type ColumnKind = "id" | "digest" | "time" | "user" | "text" | "data" | "count";

export interface Column<Field extends string = string> {
  readonly field: Field;
  readonly column: string;
  readonly kind: ColumnKind;
  readonly nullable: boolean;
}

export interface Table<Field extends string = string> {
  readonly name: string;
  readonly columns: readonly Column<Field>[];
}

type Spec<Row> = {
  readonly [K in keyof Row & string]: readonly [column: string, kind: ColumnKind, nullable?: "null"];
};

/** Tables as data: statements, migrations and the conversion of rows are all made from these. */
export const sessionsTable = table<SessionRow>("psession_sessions", {
  id: ["id", "id"],
  secret: ["secret", "digest"],
  secretAt: ["secret_at", "time"],
  previousSecret: ["previous_secret", "digest", "null"],
  rememberedId: ["remembered_id", "id", "null"],
  userId: ["user_id", "user", "null"],
  level: ["level", "text"],
  authenticatedAt: ["authenticated_at", "time", "null"],
  confirmFrom: ["confirm_from", "time", "null"],
  data: ["data", "data"],
  version: ["version", "count"],
  createdAt: ["created_at", "time"],
  lastSeenAt: ["last_seen_at", "time"],
  idleDeadline: ["idle_deadline", "time"],
  absoluteDeadline: ["absolute_deadline", "time"],
  userAgent: ["user_agent", "text", "null"],
  address: ["address", "text", "null"],
  pruneAfter: ["prune_after", "time"],
});

export const loginsTable = table<RememberedRow>("psession_logins", {
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
  createdAt: ["created_at", "time"],
  lastUsedAt: ["last_used_at", "time"],
  idleDeadline: ["idle_deadline", "time"],
  absoluteDeadline: ["absolute_deadline", "time"],
  revokedAt: ["revoked_at", "time", "null"],
  revokedReason: ["revoked_reason", "text", "null"],
  pruneAfter: ["prune_after", "time"],
});

/** Housekeeping that processes share: which migrations ran, when rows were last pruned. */
export const META_TABLE = "psession_meta";

function table<Row>(name: string, spec: Spec<Row>): Table<keyof Row & string> {
  const columns = (Object.entries(spec) as [keyof Row & string, Spec<Row>[keyof Row & string]][]).map(
    ([field, [column, kind, nullable]]) => ({ field, column, kind, nullable: nullable !== undefined }),
  );
  return { name, columns };
}

export function columnOf<Field extends string>(table: Table<Field>, field: Field): Column<Field> {
  const found = table.columns.find((column) => column.field === field);
  if (found === undefined) throw new Error(`${table.name} has no ${field}`);
  return found;
}
