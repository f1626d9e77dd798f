import type { Deadline, SqlConnection, SqlDriver } from "../sql/driver.ts";
import { callOnce, inTransaction, type Lender, withConnection } from "../sql/lease.ts";
import { type Answer, type RawRow, type SqlValue, type Statement, toBuffer } from "../sql/statement.ts";
import type { MariadbConnection, MariadbPool, Mysql2Pool, Mysql2TypeCast } from "./clients.ts";

/** What the two drivers have in common, once their differences are out of the way. */
export interface MysqlConnection {
  execute(sql: string, values: readonly SqlValue[]): Promise<unknown>;
  command(sql: string): Promise<unknown>;
  release(): void;
  destroy(): void;
}

export type Connect = () => Promise<MysqlConnection>;

/** Whatever the application's pool is set to, rows come as objects by name and question marks are question marks. */
const PLAIN = { rowsAsArray: false, namedPlaceholders: false, nestTables: false } as const;

const asItCame: Mysql2TypeCast = (_field, next) => next();

export const mysql2 =
  (pool: Mysql2Pool): Connect =>
  async () => {
    const connection = await pool.getConnection();
    // A function of the application's is replaced by a function only, which costs something for each value.
    const isCast = typeof connection.connection?.config?.typeCast === "function";
    const typeCast = isCast ? asItCame : true;
    return {
      execute: async (sql, values) => {
        const query = { sql, values: values.map(toBuffer), ...PLAIN, typeCast };
        return (await connection.execute(query))[0];
      },
      command: (sql) => connection.query(sql),
      release: () => connection.release(),
      destroy: () => connection.destroy(),
    };
  };

export const mariadb =
  (pool: MariadbPool): Connect =>
  async () => {
    const connection = await pool.getConnection();
    return {
      execute: (sql, values) => {
        const query = { sql, ...PLAIN, metaAsArray: false, autoJsonMap: false, typeCast: undefined as never };
        return connection.execute(query, values.map(toBuffer));
      },
      command: (sql) => connection.query(sql),
      release: () => void connection.release().catch(() => {}),
      destroy: () => void end(connection).catch(() => {}),
    };
  };

/**
 * While a command runs, the connector's own `destroy` has another connection kill it by its number, on whatever
 * server that reaches now, and where no connection has the number the rejection is unhandled. A ping that gets no answer
 * closes the socket and no more, and the pool takes back what is closed.
 */
async function end(connection: MariadbConnection): Promise<void> {
  const isIdle = await connection.ping(1).then(
    () => true,
    () => false,
  );
  if (isIdle) connection.destroy();
  else await connection.release();
}

export class MysqlDriver implements SqlDriver {
  readonly #lender: Lender<MysqlConnection>;

  constructor(connect: Connect) {
    const giveBack = (connection: MysqlConnection, isBroken: boolean) =>
      isBroken ? connection.destroy() : connection.release();
    this.#lender = { connect, giveBack, isFatal };
  }

  run(statement: Statement, deadline: Deadline): Promise<Answer> {
    return callOnce(this.#lender, deadline, (connection) => run(connection, statement));
  }

  transaction<T>(
    work: (connection: SqlConnection) => Promise<T>,
    deadline: Deadline,
    onCommit: () => void,
  ): Promise<T> {
    return withConnection(this.#lender, deadline, (connection, watch) =>
      inTransaction(
        (sql) => watch(connection.command(sql)),
        "START TRANSACTION",
        () => work({ run: (statement) => watch(run(connection, statement)) }),
        onCommit,
      ),
    );
  }

  async close(): Promise<void> {}
}

async function run(connection: MysqlConnection, { sql, values, returns }: Statement): Promise<Answer> {
  const result = await connection.execute(sql, values);
  if (returns) return { rows: result as RawRow[], count: 0 };
  return { rows: [], count: Number((result as { affectedRows?: number | bigint }).affectedRows ?? 0) };
}

/** Both drivers say of an error whether the connection is lost with it; what has no number is none of the server's. */
function isFatal(error: unknown): boolean {
  const { fatal, errno } = error as { fatal?: unknown; errno?: unknown };
  return fatal === true || typeof errno !== "number" || (errno >= 2000 && errno < 3000);
}
