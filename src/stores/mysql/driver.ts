import { type Deadline, NotSent, type SqlConnection, type SqlDriver } from "../sql/driver.ts";
import type { Answer, RawRow, SqlValue, Statement } from "../sql/statement.ts";
import type { MariadbConnection, MariadbPool, Mysql2Pool } from "./clients.ts";

/** What the two drivers have in common, once their differences are out of the way. */
export interface MysqlConnection {
  execute(sql: string, values: readonly SqlValue[]): Promise<unknown>;
  command(sql: string): Promise<unknown>;
  release(): void;
  destroy(): void;
}

export type Connect = () => Promise<MysqlConnection>;

export const mysql2 =
  (pool: Mysql2Pool): Connect =>
  async () => {
    const connection = await pool.getConnection();
    return {
      execute: async (sql, values) => {
        // Whatever the application's pool is set to, rows come as objects and question marks are question marks.
        const query = { sql, values: values.map(toDriver), rowsAsArray: false, namedPlaceholders: false };
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
        const query = { sql, rowsAsArray: false, namedPlaceholders: false, metaAsArray: false };
        return connection.execute(query, values.map(toDriver));
      },
      command: (sql) => connection.query(sql),
      release: () => void connection.release().catch(() => {}),
      destroy: () => void end(connection).catch(() => {}),
    };
  };

/**
 * While a command runs, the connector's own `destroy` has another connection kill it by its number, on whatever
 * server that reaches now, and where nobody has the number the rejection is unhandled. A ping that gets no answer
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

/** Both drivers take Buffers for bytes, and other arrays of bytes for something else. */
const toDriver = (value: SqlValue): unknown =>
  value instanceof Uint8Array && !Buffer.isBuffer(value) ? Buffer.from(value) : value;

export class MysqlDriver implements SqlDriver {
  readonly #connect: Connect;

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  run(statement: Statement, deadline: Deadline): Promise<Answer> {
    return this.#withConnection(deadline, (connection) => run(connection, statement));
  }

  transaction<T>(
    work: (connection: SqlConnection) => Promise<T>,
    deadline: Deadline,
    onCommit: () => void,
  ): Promise<T> {
    return this.#withConnection(deadline, async (connection) => {
      await connection.command("START TRANSACTION");
      let result: T;
      try {
        result = await work({ run: (statement) => run(connection, statement) });
      } catch (error) {
        await rollback(connection);
        throw error;
      }
      onCommit();
      await connection.command("COMMIT");
      return result;
    });
  }

  async close(): Promise<void> {}

  /** A connection that broke, or that somebody gave up waiting for, is destroyed: the pool makes another one. */
  async #withConnection<T>(
    deadline: Deadline,
    work: (connection: MysqlConnection) => Promise<T>,
  ): Promise<T> {
    const connection = await this.#connected();
    let isOver = false;
    let isBroken = false;
    const leave = () => {
      if (isOver) return;
      isOver = true;
      if (isBroken) connection.destroy();
      else connection.release();
    };
    if (deadline.isOver) {
      leave();
      throw new NotSent(new Error("The connection came too late."));
    }
    deadline.onOver = () => {
      isBroken = true;
      leave();
    };
    const watched = async <R>(call: Promise<R>): Promise<R> => {
      try {
        return await call;
      } catch (error) {
        isBroken ||= isFatal(error);
        throw error;
      }
    };
    try {
      return await work({
        ...connection,
        execute: (sql, values) => watched(connection.execute(sql, values)),
        command: (sql) => watched(connection.command(sql)),
      });
    } finally {
      deadline.onOver = undefined;
      leave();
    }
  }

  async #connected(): Promise<MysqlConnection> {
    try {
      return await this.#connect();
    } catch (error) {
      throw new NotSent(error);
    }
  }
}

async function run(connection: MysqlConnection, { sql, values, returns }: Statement): Promise<Answer> {
  const result = await connection.execute(sql, values);
  if (returns) return { rows: result as RawRow[], count: 0 };
  return { rows: [], count: Number((result as { affectedRows?: number | bigint }).affectedRows ?? 0) };
}

async function rollback(connection: MysqlConnection): Promise<void> {
  try {
    await connection.command("ROLLBACK");
  } catch {
    // The connection is gone, and the transaction with it.
  }
}

/** Both drivers say of an error whether the connection is lost with it; what has no number is none of the server's. */
function isFatal(error: unknown): boolean {
  const { fatal, errno } = error as { fatal?: unknown; errno?: unknown };
  return fatal === true || typeof errno !== "number" || (errno >= 2000 && errno < 3000);
}
