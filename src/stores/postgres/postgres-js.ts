import type { Deadline, SqlConnection, SqlDriver } from "../sql/driver.ts";
import type { Answer, RawRow, Statement } from "../sql/statement.ts";
import type { PostgresJs } from "./clients.ts";

type Connection = Pick<PostgresJs, "unsafe">;

export class PostgresJsDriver implements SqlDriver {
  readonly #sql: PostgresJs;
  readonly #prepare: boolean;

  constructor(sql: PostgresJs, prepares: boolean) {
    this.#sql = sql;
    this.#prepare = prepares;
  }

  run(statement: Statement, deadline: Deadline): Promise<Answer> {
    return this.#run(this.#sql, statement, deadline);
  }

  async transaction<T>(
    work: (connection: SqlConnection) => Promise<T>,
    deadline: Deadline,
    onCommit: () => void,
  ): Promise<T> {
    let result: T | undefined;
    await this.#sql.begin("ISOLATION LEVEL READ COMMITTED", async (connection) => {
      result = await work({ run: (statement) => this.#run(connection, statement, deadline) });
      onCommit();
    });
    return result as T;
  }

  async close(): Promise<void> {}

  async #run(connection: Connection, { sql, values }: Statement, deadline: Deadline): Promise<Answer> {
    const query = connection.unsafe(sql, values as never[], { prepare: this.#prepare });
    deadline.onOver = () => query.cancel?.();
    const rows = await query;
    return { rows: rows as unknown as RawRow[], count: rows.count ?? 0 };
  }
}
