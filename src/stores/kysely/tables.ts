import type { ColumnType } from "kysely";
import type { FieldKind, LOGIN_FIELDS, SESSION_FIELDS } from "../columns.ts";
import type { LOCK_FIELDS, META_FIELDS } from "../sql/schema.ts";
import type { RowLevel } from "../store.ts";

/** Columns that only psession writes. */
type Kept<T> = ColumnType<T, never, never>;

/** What a driver gives; PostgreSQL's give BIGINT as text. */
type Value<Kind extends FieldKind, Id, Time> = Kind extends "user"
  ? Id
  : Kind extends "moment"
    ? Time
    : Kind extends "time" | "count"
      ? number | string
      : Kind extends "digest" | "salt"
        ? Uint8Array
        : string;

type Fields = Readonly<Record<string, readonly [string, FieldKind, string, string?]>>;
type Columns<Spec extends Fields, Id = never, Time = never> = {
  [Field in keyof Spec as Spec[Field][0]]: Kept<
    Value<Spec[Field][1], Id, Time> | (Spec[Field][2] extends "null" ? null : never)
  >;
};

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

/** The table of sessions: one row each. `Id` is the type of user ids, `Time` that in which the driver gives times. */
export interface PsessionSessionsTable<Id extends string | number = string, Time = number | string>
  extends Columns<typeof SESSION_FIELDS, Id, Time> {
  level: Kept<RowLevel>;
}

/** The table of remembered logins: one row each, tombstones included. `Id` and `Time` as for sessions. */
export interface PsessionLoginsTable<Id extends string | number = string, Time = number | string>
  extends Columns<typeof LOGIN_FIELDS, Id, Time> {}

/** The table of locks, and of their fences. */
export interface PsessionLocksTable extends Columns<typeof LOCK_FIELDS> {}

/** The table of what concerns all rows: which migrations ran, and when was pruned. */
export interface PsessionMetaTable extends Columns<typeof META_FIELDS> {}
