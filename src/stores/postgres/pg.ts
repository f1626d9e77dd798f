import { createHash } from "node:crypto";
import { type Deadline, NotSent, type SqlConnection, type SqlDriver } from "../sql/driver.ts";
import { callOnce, inTransaction, type Lender, withConnection } from "../sql/lease.ts";
import type { Answer, RawRow, Statement } from "../sql/statement.ts";
import { Turns } from "../turns.ts";
import type { PgClient, PgPool, PgPoolClient } from "./clients.ts";
import { clientListens, poolListens } from "./listen.ts";
import { isOfServer } from "./of-server.ts";
import { pgTypes } from "./pg-types.ts";

/** Runs of its own time: the isolation that the programs are written for, whatever the server's default is. */
const BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED";

/** Executes statements on node-postgres, prepared under a name that follows from their text. */
class Prepared {
  readonly #names = new Map<string, string>();
  readonly #prepares: boolean;

  constructor(prepares: boolean) {
    this.#prepares = prepares;
  }

  async run(client: Pick<PgClient, "query">, { sql, values }: Statement): Promise<Answer> {
    const query = { text: sql, values: values as unknown[], types: pgTypes };
    const result = await client.query(this.#prepares ? { name: this.#nameOf(sql), ...query } : query);
    return { rows: result.rows as RawRow[], count: result.rowCount ?? 0 };
  }

  #nameOf(sql: string): string {
    let name = this.#names.get(sql);
    if (name === undefined) {
      name = `psession_${createHash("sha256").update(sql).digest("base64url").slice(0, 16)}`;
      this.#names.set(sql, name);
    }
    return name;
  }
}

/** Pools that have psession's listener: stores may share one. */
const heard = new WeakSet<PgPool>();

export class PgPoolDriver implements SqlDriver {
  readonly #prepared: Prepared;
  readonly #lender: Lender<PgPoolClient>;
  readonly listen: SqlDriver["listen"];

  constructor(pool: PgPool, prepares: boolean) {
    this.#prepared = new Prepared(prepares);
    this.listen = poolListens(pool);
    this.#lender = {
      connect: () => pool.connect(),
      // The pool listens to idle clients only. For this one the query throws what broke it.
      lend: (client) => void client.on?.("error", ignore),
      giveBack: (client, isBroken) => {
        client.release(isBroken);
        client.off?.("error", ignore);
      },
      isFatal: (error) => !isOfServer(error),
    };
    // An idle connection that breaks would end the process without a listener; the pool has dropped it by then.
    if (!heard.has(pool)) pool.on?.("error", ignore);
    heard.add(pool);
  }

  run(statement: Statement, deadline: Deadline): Promise<Answer> {
    return callOnce(this.#lender, deadline, (client) => this.#prepared.run(client, statement));
  }

  transaction<T>(
    work: (connection: SqlConnection) => Promise<T>,
    deadline: Deadline,
    onCommit: () => void,
  ): Promise<T> {
    return withConnection(this.#lender, deadline, (client, watch) => {
      const watched: Pick<PgClient, "query"> = { query: (query) => watch(client.query(query)) };
      return transact(watched, this.#prepared, work, onCommit);
    });
  }

  async close(): Promise<void> {}
}

/** One connection for everything: transactions take turns with whatever else is to be run. */
export class PgClientDriver implements SqlDriver {
  readonly #client: PgClient;
  readonly #prepared: Prepared;
  readonly #turns = new Turns();
  readonly listen: SqlDriver["listen"];

  constructor(client: PgClient, prepares: boolean) {
    this.#client = client;
    this.#prepared = new Prepared(prepares);
    this.listen = clientListens(client, (text) =>
      this.#turns.take("", () => client.query({ text, values: [] })),
    );
  }

  run(statement: Statement, deadline: Deadline): Promise<Answer> {
    return this.#inTurn(deadline, () => this.#prepared.run(this.#client, statement));
  }

  transaction<T>(
    work: (connection: SqlConnection) => Promise<T>,
    deadline: Deadline,
    onCommit: () => void,
  ): Promise<T> {
    return this.#inTurn(deadline, () => transact(this.#client, this.#prepared, work, onCommit));
  }

  /** What waited past its deadline was reported as failed, and must not happen after all. */
  #inTurn<T>(deadline: Deadline, work: () => Promise<T>): Promise<T> {
    return this.#turns.take("", () => {
      if (deadline.isOver) throw new NotSent(new Error("The connection came too late."));
      return work();
    });
  }

  async close(): Promise<void> {}
}

function transact<T>(
  client: Pick<PgClient, "query">,
  prepared: Prepared,
  work: (connection: SqlConnection) => Promise<T>,
  onCommit: () => void,
): Promise<T> {
  const run = (statement: Statement) => prepared.run(client, statement);
  return inTransaction(
    (text) => client.query({ text, values: [] }),
    BEGIN,
    () => work({ run }),
    onCommit,
  );
}

function ignore(): void {}
