import type { ColumnType } from "kysely";

/** Columns that only psession writes. */
type Kept<T> = ColumnType<T, never, never>;

/**
 * psession's tables as they are called by default, for queries of your own: `interface Database extends
 * PsessionTables<number> { ... }`. `Id` is what your user ids are; `Time` what your driver makes of BIGINT, or of
 * the database's dates with `timestamps: "datetime"`. They can be read, not written.
 */
export interface PsessionTables<Id extends string | number = string, Time = number | string> {
  psession_sessions: PsessionSessionsTable<Id, Time>;
  psession_logins: PsessionLoginsTable<Id, Time>;
  psession_locks: PsessionLocksTable;
  psession_meta: PsessionMetaTable;
}

/** Epoch milliseconds; PostgreSQL's drivers give BIGINT as text. */
type Milliseconds = Kept<number | string>;
type Count = Kept<number | string>;

/** The table of sessions: one row each. `Id` is the type of user ids, `Time` that in which the driver gives times. */
export interface PsessionSessionsTable<Id extends string | number = string, Time = number | string> {
  id: Kept<string>;
  secret: Kept<Uint8Array>;
  secret_at: Milliseconds;
  previous_secret: Kept<Uint8Array | null>;
  retired_secret: Kept<Uint8Array | null>;
  fence: Count;
  remembered_id: Kept<string | null>;
  user_id: Kept<Id | null>;
  level: Kept<"anonymous" | "remembered" | "login">;
  authenticated_at: Kept<Time | null>;
  confirm_from: Kept<number | string | null>;
  data: Kept<string>;
  version: Count;
  created_at: Kept<Time>;
  began_at: Kept<Time>;
  last_seen_at: Kept<Time>;
  idle_deadline: Kept<Time>;
  absolute_deadline: Kept<Time>;
  user_agent: Kept<string | null>;
  address: Kept<string | null>;
  name: Kept<string | null>;
  tag: Kept<string | null>;
  prune_after: Milliseconds;
}

/** The table of remembered logins: one row each, tombstones included. `Id` and `Time` as for sessions. */
export interface PsessionLoginsTable<Id extends string | number = string, Time = number | string> {
  id: Kept<string>;
  user_id: Kept<Id>;
  token: Kept<Uint8Array>;
  previous: Kept<Uint8Array | null>;
  superseded: Kept<Uint8Array | null>;
  superseded_at: Kept<number | string | null>;
  salt: Kept<Uint8Array>;
  key_id: Kept<string>;
  generation: Count;
  rotated_at: Milliseconds;
  confirmed_at: Kept<number | string | null>;
  strays: Count;
  created_at: Kept<Time>;
  last_used_at: Kept<Time>;
  idle_deadline: Kept<Time>;
  absolute_deadline: Kept<Time>;
  revoked_at: Kept<number | string | null>;
  revoked_reason: Kept<string | null>;
  name: Kept<string | null>;
  tag: Kept<string | null>;
  prune_after: Milliseconds;
}

/** The table of locks, and of their fences. */
export interface PsessionLocksTable {
  name: Kept<string>;
  owner: Kept<string>;
  fence: Count;
  until: Milliseconds;
  prune_after: Milliseconds;
}

/** The table of what concerns all rows: which migrations ran, and when was pruned. */
export interface PsessionMetaTable {
  name: Kept<string>;
  value: Kept<string>;
  at: Milliseconds;
}
