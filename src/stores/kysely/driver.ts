import type { CompiledQuery, Kysely } from "kysely";
import { PsessionError } from "../../errors.ts";
import { driverError } from "../messages/driver-error.ts";
import type { Dialect } from "../sql/dialect.ts";
import { type Deadline, NotSent, type SqlConnection, type SqlDriver } from "../sql/driver.ts";
import { type Answer, type RawRow, type Statement, toBuffer } from "../sql/statement.ts";

type Executor = Pick<Kysely<unknown>, "executeQuery">;

/**
 * psession's statements through the application's Kysely. It can neither cancel a query nor close a connection: after a
 * timeout the query runs on, and what comes too late is not begun, or undone.
 */
export class KyselyDriver implements SqlDriver {
  readonly #db: Kysely<unknown>;
  readonly #dialect: Dialect;

  constructor(db: Kysely<unknown>, dialect: Dialect) {
    // Names are as they are in the database, and rows as its driver gives them.
    this.#db = db.withoutPlugins();
    this.#dialect = dialect;
  }

  run(statement: Statement, deadline: Deadline): Promise<Answer> {
    return this.#connected(deadline, (connection) => this.#execute(connection, statement));
  }

  transaction<T>(
    work: (connection: SqlConnection) => Promise<T>,
    deadline: Deadline,
    onCommit: () => void,
  ): Promise<T> {
    return this.#connected(deadline, async (connection) => {
      let hasBegun = false;
      let failure: { readonly error: unknown } | undefined;
      try {
        return await this.#begin(connection).execute(async (transaction) => {
          hasBegun = true;
          try {
            const result = await work(this.#within(transaction, deadline));
            if (deadline.isOver) throw tooLate();
            onCommit();
            return result;
          } catch (error) {
            failure = { error };
            throw error;
          }
        });
      } catch (error) {
        // Where the rollback fails as well, Kysely reports that and not what went wrong.
        if (failure !== undefined) throw failure.error;
        throw hasBegun ? error : this.#notBegun(error);
      }
    });
  }

  async close(): Promise<void> {}

  /** A connection first: Kysely would send a statement whenever there is one, however late. */
  async #connected<T>(deadline: Deadline, work: (connection: Kysely<unknown>) => Promise<T>): Promise<T> {
    let isConnected = false;
    try {
      return await this.#db.connection().execute(async (connection) => {
        isConnected = true;
        if (deadline.isOver) throw new NotSent(tooLate());
        return work(connection);
      });
    } catch (error) {
      throw isConnected ? error : new NotSent(error);
    }
  }

  #begin(connection: Kysely<unknown>) {
    const builder = connection.transaction();
    return this.#dialect.name === "postgres" ? builder.setIsolationLevel("read committed") : builder;
  }

  /** Refuses what comes too late, once: what a program does to clean up after that must still be done. */
  #within(transaction: Executor, deadline: Deadline): SqlConnection {
    let hasFailed = false;
    return {
      run: async (statement) => {
        try {
          if (deadline.isOver && !hasFailed) throw tooLate();
          return await this.#execute(transaction, statement);
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      },
    };
  }

  async #execute(executor: Executor, { sql, values, returns }: Statement): Promise<Answer> {
    const parameters = this.#dialect.name === "mysql" ? values.map(toBuffer) : values;
    const { rows, numAffectedRows } = await executor.executeQuery(compiled(sql, parameters));
    return { rows: returns ? rows : [], count: Number(numAffectedRows ?? 0) };
  }

  #notBegun(error: unknown): unknown {
    if (this.#dialect.classify(error) !== "other") return error;
    const copy = driverError(error, { isBare: true });
    const reason = copy.message.replace(/\.$/, "");
    return new PsessionError(
      "store_unavailable",
      `No transaction could be begun (${reason}), so nothing was changed. psession needs transactions: Kysely dialects without them, such as those of Cloudflare D1 and of Neon over HTTP, cannot hold sessions.`,
      { cause: copy },
    );
  }
}

const tooLate = (): Error => new Error("Its time was over.");

/** What Kysely makes of `CompiledQuery.raw`, without asking for Kysely. */
function compiled(sql: string, parameters: readonly unknown[]): CompiledQuery<RawRow> {
  const query = { kind: "RawNode", sqlFragments: [sql], parameters: [] } as const;
  return { query, queryId: { queryId: "psession" }, sql, parameters };
}
