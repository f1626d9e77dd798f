import { type Deadline, NotSent, type SqlConnection, type SqlDriver } from "../sql/driver.ts";
import type { Answer, RawRow, SqlValue, Statement } from "../sql/statement.ts";
import { facets } from "../sql/syntax.ts";
import type { PostgresJs, PostgresJsQuery, PostgresJsRows, PostgresJsServerSession } from "./clients.ts";
import { postgresJsListens } from "./listen.ts";
import { isOfServer } from "./of-server.ts";

type Connection = Pick<PostgresJs, "unsafe">;

export class PostgresJsDriver implements SqlDriver {
  readonly #sql: PostgresJs;
  readonly #prepare: boolean;
  readonly whenSilent: string | undefined;
  /** The application's setting for the names of all columns, psession's too: `transform: postgres.camel`. */
  readonly #rename: ((column: string) => string) | undefined;
  readonly #names = new Map<string, ReadonlyMap<string, string>>();
  readonly listen: SqlDriver["listen"];

  constructor(sql: PostgresJs, prepares: boolean) {
    this.listen = postgresJsListens(sql);
    this.#sql = sql;
    this.#prepare = prepares;
    // It sends such a statement again, and does not hear the answer: the connection waits for ever.
    this.whenSilent = prepares
      ? "Behind a pooler that gives each transaction another connection, postgres.js waits for ever for statements that it has prepared: set the store's option prepare to false there."
      : undefined;
    this.#rename = sql.options?.transform?.column?.from ?? undefined;
  }

  async run(statement: Statement, deadline: Deadline): Promise<Answer> {
    const query = this.#query(this.#sql, statement);
    // A query that still waits for a connection is taken out of the queue. One that is on its way is left alone:
    // its cancellation goes over a connection of its own, and may arrive when the server does something else.
    deadline.lease = {
      abandon() {
        if (query.state === null) query.cancel?.();
      },
    };
    try {
      return this.#named(statement, await answered(query));
    } finally {
      deadline.lease = undefined;
    }
  }

  transaction<T>(
    work: (connection: SqlConnection) => Promise<T>,
    deadline: Deadline,
    onCommit: () => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let result: T | undefined;
      const transact = async (connection: Connection) => {
        let isBroken = false;
        const run = async (statement: Statement) => {
          // The caller waits no longer: gives back what the query holds.
          if (deadline.isOver) throw new NotSent(new Error("The transaction took too long."));
          try {
            return this.#named(statement, await answered(this.#query(connection, statement)));
          } catch (error) {
            isBroken ||= !isOfServer(error);
            throw error;
          }
        };
        try {
          await run(IN_TRANSACTION);
          result = await work({ run });
        } catch (error) {
          if (!isBroken) throw error;
          // After a rejection postgres.js would send ROLLBACK over the connection that is gone, which throws
          // where no caller can catch it.
          reject(error);
          await new Promise<never>(() => {});
        }
        onCommit();
      };
      this.#sql.begin("ISOLATION LEVEL READ COMMITTED", transact).then(
        () => resolve(result as T),
        (error: unknown) => reject(isUnreachable(error) ? new NotSent(error) : error),
      );
    });
  }

  async close(): Promise<void> {}

  /** Gives columns back the names that the statement has for them. */
  #named({ sql }: Statement, answer: Answer): Answer {
    if (this.#rename === undefined || answer.rows.length === 0) return answer;
    const names = this.#names.get(sql) ?? namesIn(sql, this.#rename);
    this.#names.set(sql, names);
    const named = (row: RawRow): RawRow =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [names.get(name) ?? name, value]));
    return { ...answer, rows: answer.rows.map(named) };
  }

  #query(connection: Connection, { sql, values }: Statement): PostgresJsQuery {
    return connection.unsafe(sql, values.map(toDriver) as never[], { prepare: this.#prepare });
  }
}

/** Names of columns by what the application's setting makes of them. psession names all of its own with AS. */
function namesIn(sql: string, rename: (column: string) => string): ReadonlyMap<string, string> {
  const names = [...sql.matchAll(/ AS "?(\w+)"?/g)].map(([, name = ""]) => name);
  return new Map(names.map((name) => [rename(name), name]));
}

/**
 * Fails where there is no transaction. A BEGIN that meets a connection in the moment in which it breaks is taken
 * for done when postgres.js has connected again.
 */
const IN_TRANSACTION: Statement = { sql: "SAVEPOINT psession", values: [], returns: false };

/** There was no connection to send BEGIN over; on one that exists these do not happen. */
const isUnreachable = (error: unknown): boolean =>
  /^(ECONNREFUSED|CONNECT_TIMEOUT|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH)/.test(facets(error).code);

/**
 * The answer to this query and no other. What postgres.js sends over a connection in the moment in which that breaks
 * stays with it until it has connected again, and is then given an answer that belongs to something else.
 */
async function answered(query: PostgresJsQuery): Promise<Answer> {
  let state = query.state;
  let sentTo: number | null | undefined;
  Object.defineProperty(query, "state", {
    get: () => state,
    set: (session: PostgresJsServerSession) => {
      state = session;
      sentTo = session.pid;
    },
  });
  let rows: PostgresJsRows;
  try {
    rows = await query;
  } catch (error) {
    // Either no connection was to be had, or a value could not be written as its type has it.
    if (state == null) throw new NotSent(error, { isBare: false });
    throw isUnreadable(error)
      ? Object.assign(new Error(OTHERS_ANSWER), { code: UNPREPARED, cause: error })
      : error;
  }
  if (rows.command == null || state?.pid !== sentTo) {
    throw Object.assign(new Error("The connection was lost before the answer."), {
      code: "CONNECTION_CLOSED",
    });
  }
  return { rows: compact(rows) as RawRow[], count: rows.count ?? 0 };
}

const OTHERS_ANSWER = "An answer came that has not the columns of its statement.";
/** PostgreSQL's own code where a pooler has changed the connection below a prepared statement, as it has here. */
const UNPREPARED = "26000";

/**
 * postgres.js failed while it read a row, beyond its end or without columns: behind a pooler it may take that for one of
 * another statement. What a serializer of the application's throws is something else.
 */
const isUnreadable = (error: unknown): boolean =>
  (error instanceof RangeError && facets(error).code === "ERR_OUT_OF_RANGE") ||
  (error instanceof TypeError && error.message.includes("columns"));

/**
 * Rows without holes. After a statement that failed behind its first rows, as one does that is refused when it
 * commits, postgres.js puts the rows of the next one behind as many empty places.
 */
const compact = (rows: PostgresJsRows): readonly unknown[] =>
  rows.length === rows.count ? rows : rows.filter(() => true);

/** Arrays as text: postgres.js writes them only where it has asked the server for its types (`fetch_types`). */
function toDriver(value: SqlValue): SqlValue {
  if (!Array.isArray(value)) return value;
  const items = value.map((item: string | number | null) =>
    typeof item === "string" ? `"${item.replace(/["\\]/g, "\\$&")}"` : String(item),
  );
  return `{${items.join(",")}}`;
}
