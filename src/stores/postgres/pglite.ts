import type { Deadline, SqlConnection, SqlDriver } from "../sql/driver.ts";
import type { Answer, RawRow, Statement } from "../sql/statement.ts";
import type { Pglite } from "./clients.ts";

type Connection = Pick<Pglite, "query">;

/** PostgreSQL in this process: it has one connection, and queues what comes for it. */
export class PgliteDriver implements SqlDriver {
  readonly #pglite: Pglite;

  constructor(pglite: Pglite) {
    this.#pglite = pglite;
  }

  run(statement: Statement): Promise<Answer> {
    return run(this.#pglite, statement);
  }

  async transaction<T>(
    work: (connection: SqlConnection) => Promise<T>,
    _deadline: Deadline,
    onCommit: () => void,
  ): Promise<T> {
    let result: T | undefined;
    await this.#pglite.transaction(async (connection) => {
      result = await work({ run: (statement) => run(connection, statement) });
      onCommit();
    });
    return result as T;
  }

  async close(): Promise<void> {}
}

/** Whatever the application's own parsers make of numbers and text. */
const asItCame = (value: string): string => value;
const OWN = {
  rowMode: "object",
  parsers: { 20: asItCame, 21: asItCame, 23: asItCame, 25: asItCame, 1043: asItCame, 2950: asItCame },
} as const;

async function run(connection: Connection, { sql, values, returns }: Statement): Promise<Answer> {
  const { rows, affectedRows } = await connection.query(sql, values as never[], OWN);
  return { rows: returns ? (rows as RawRow[]) : [], count: affectedRows ?? 0 };
}
