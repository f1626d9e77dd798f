import { type Deadline, NotSent, type SqlConnection, type SqlDriver } from "../sql/driver.ts";
import type { Answer, RawRow, SqlValue, Statement } from "../sql/statement.ts";
import type { PostgresJs } from "./clients.ts";
import { isOfServer } from "./of-server.ts";

type Connection = Pick<PostgresJs, "unsafe">;

export class PostgresJsDriver implements SqlDriver {
  readonly #sql: PostgresJs;
  readonly #prepare: boolean;

  constructor(sql: PostgresJs, prepares: boolean) {
    this.#sql = sql;
    this.#prepare = prepares;
  }

  async run(statement: Statement, deadline: Deadline): Promise<Answer> {
    const query = this.#query(this.#sql, statement);
    // A query that still waits for a connection is taken out of the queue. One that is on its way is left alone:
    // its cancellation goes over a connection of its own, and may arrive when the server does something else.
    deadline.onOver = () => {
      if (query.state === null) query.cancel?.();
    };
    try {
      return answerOf(await query);
    } finally {
      deadline.onOver = undefined;
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
        if (deadline.isOver) throw new NotSent(new Error("The connection came too late."));
        let isBroken = false;
        const run = async (statement: Statement) => {
          // Nobody waits for it any more: what it holds is better given back.
          if (deadline.isOver) throw new Error("The transaction took too long.");
          try {
            return answerOf(await this.#query(connection, statement));
          } catch (error) {
            isBroken ||= !isOfServer(error);
            throw error;
          }
        };
        try {
          result = await work({ run });
        } catch (error) {
          if (!isBroken) throw error;
          // Told by a rejection, postgres.js would send ROLLBACK over the connection that is gone, which throws
          // where nobody can catch it.
          reject(error);
          await new Promise<never>(() => {});
        }
        onCommit();
      };
      this.#sql.begin("ISOLATION LEVEL READ COMMITTED", transact).then(() => resolve(result as T), reject);
    });
  }

  async close(): Promise<void> {}

  #query(connection: Connection, { sql, values }: Statement) {
    return connection.unsafe(sql, values.map(toDriver) as never[], { prepare: this.#prepare });
  }
}

/** Arrays as text: postgres.js writes them only where it has asked the server for its types (`fetch_types`). */
function toDriver(value: SqlValue): SqlValue {
  if (!Array.isArray(value)) return value;
  const items = value.map((item: string | number | null) =>
    typeof item === "string" ? `"${item.replace(/["\\]/g, "\\$&")}"` : String(item),
  );
  return `{${items.join(",")}}`;
}

function answerOf(rows: unknown[] & { readonly count: number | null }): Answer {
  return { rows: rows as RawRow[], count: rows.count ?? 0 };
}
