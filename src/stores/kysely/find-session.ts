import type { SelectQueryBuilder } from "kysely";
import { PsessionError } from "../../errors.ts";
import type { Clock } from "../../protocol/clock.ts";
import { columnOf } from "../sql/schema.ts";
import type { Sql } from "../sql/sql.ts";
import type { SqlStore } from "../sql/store.ts";
import { type Lookup, partsOf, previousSession, rememberedLogin } from "./lookup.ts";
import { addingColumns, nameInQuery, rawColumn } from "./nodes.ts";

/** A user's session that was used last, other than the present one. For `previous` of `session.login`. */
export interface FoundSession {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly lastSeenAt: number;
  /** Encoded, as the store keeps it. */
  readonly data: string;
}

/** The live remembered login of the browser that asks. Times are epoch milliseconds. */
export interface FoundLogin {
  readonly id: string;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  /** How often its token was exchanged. */
  readonly generation: number;
}

/** What `findSession` adds to every row; null where there is none. */
export interface FoundSessions {
  readonly psession: { readonly previous: FoundSession | null; readonly remembered: FoundLogin | null };
}

/** What a `Session` has that others see. */
interface OfSession {
  readonly id: string;
  readonly isSignedIn: boolean;
  isFresh(freshness: never): boolean;
}

/** What it has besides. */
interface Opened extends OfSession {
  readonly presentedHandle: string | undefined;
  readonly core: { readonly settings: { readonly realm: string; readonly clock: Clock } };
}

/** Options of `findSession`. */
export interface FindSessionOptions {
  /** The session of the request at hand: a `Session`. */
  session: OfSession;
}

// No plugin that renames columns has anything to rename in these.
const PREVIOUS = "psessionprevious";
const REMEMBERED = "psessionremembered";

/**
 * The one query of a login page: to a query of the application's users it adds, in `psession`, that user's latest
 * other session and the remembered login of this browser. Nothing else about the query changes; add to it what you
 * like. The users table is the one that the store's option `tables.users` names, by default `users` with `id`.
 */
export function findSession<DB, TB extends keyof DB, O>(
  store: SqlStore,
  query: SelectQueryBuilder<DB, TB, O>,
  { session }: FindSessionOptions,
): SelectQueryBuilder<DB, TB, O & FoundSessions> {
  const { statements } = store;
  const user = userIn(statements, query);
  const { id, presentedHandle, core } = session as Opened;
  const { realm, clock } = core.settings;
  const now = clock.now();
  const columns = [column(previousSession(statements, user, { except: id, realm, now }), PREVIOUS)];
  if (presentedHandle !== undefined)
    columns.push(column(rememberedLogin(statements, user, { id: presentedHandle, now }), REMEMBERED));
  const extended = query.withPlugin(addingColumns(columns, (row) => withFound(statements, row)));
  return extended as unknown as SelectQueryBuilder<DB, TB, O & FoundSessions>;
}

const column = ({ sql, values }: Lookup, alias: string) => rawColumn(sql, values, alias);

/** The user's id, as the query's own names have it. */
function userIn<DB, TB extends keyof DB, O>(
  { schema: { users }, dialect }: Sql,
  query: SelectQueryBuilder<DB, TB, O>,
): string {
  const name = nameInQuery(query.toOperationNode(), users.name);
  if (name !== undefined && !/["`?]/.test(name))
    return `${dialect.quote(name)}.${dialect.quote(columnOf(users, "id").column)}`;
  throw new PsessionError(
    "invalid_options",
    `findSession: the query selects from no table "${users.name}". If your users are elsewhere, name that table in the store's options: tables: { users: "accounts" }.`,
  );
}

function withFound(statements: Sql, row: Record<string, unknown>): Record<string, unknown> {
  const { [PREVIOUS]: previous, [REMEMBERED]: remembered, ...rest } = row;
  if (previous === undefined) return row;
  return {
    ...rest,
    psession: {
      previous: typeof previous === "string" ? sessionFrom(statements, previous) : null,
      remembered: typeof remembered === "string" ? loginFrom(statements, remembered) : null,
    },
  };
}

function sessionFrom(statements: Sql, text: string): FoundSession {
  const [id = "", seen = "", data = ""] = partsOf(text, 3);
  return { id, lastSeenAt: statements.readMoment(seen), data };
}

function loginFrom(statements: Sql, text: string): FoundLogin {
  const [id = "", created = "", used = "", generation] = partsOf(text, 4);
  return {
    id,
    createdAt: statements.readMoment(created),
    lastUsedAt: statements.readMoment(used),
    generation: Number(generation),
  };
}
