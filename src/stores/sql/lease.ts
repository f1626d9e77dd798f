import { type Abandonable, type Deadline, NotSent } from "./driver.ts";

/** What psession needs to know of a driver's connections to lend one out. */
export interface Lender<Connection> {
  connect(): Promise<Connection>;
  /** Called when a connection is lent. */
  lend?(connection: Connection): void;
  /** Gives a connection back to its pool, or destroys one that cannot be used any more. */
  giveBack(connection: Connection, isBroken: boolean): void;
  /** Whether an error takes its connection along. */
  isFatal(error: unknown): boolean;
}

/** Called with what a call over the connection throws, as that may end the connection. */
export type Watch = <R>(call: Promise<R>) => Promise<R>;

/**
 * A connection on loan. One that broke, or whose caller stopped waiting, is destroyed: the pool makes another one.
 */
class Lease<Connection> implements Abandonable {
  readonly #lender: Lender<Connection>;
  readonly #connection: Connection;
  readonly #deadline: Deadline;
  #isGivenBack = false;
  #isBroken = false;

  constructor(lender: Lender<Connection>, connection: Connection, deadline: Deadline) {
    this.#lender = lender;
    this.#connection = connection;
    this.#deadline = deadline;
    lender.lend?.(connection);
    if (deadline.isOver) {
      this.end();
      throw new NotSent(new Error("The connection came too late."));
    }
    deadline.lease = this;
  }

  suffer(error: unknown): void {
    this.#isBroken ||= this.#lender.isFatal(error);
  }

  abandon(): void {
    this.#isBroken = true;
    this.end();
  }

  end(): void {
    this.#deadline.lease = undefined;
    if (this.#isGivenBack) return;
    this.#isGivenBack = true;
    this.#lender.giveBack(this.#connection, this.#isBroken);
  }
}

/** One call over a connection of a pool. Every read runs this: it awaits the pool, and the call. */
export async function callOnce<Connection, T>(
  lender: Lender<Connection>,
  deadline: Deadline,
  call: (connection: Connection) => Promise<T>,
): Promise<T> {
  let connection: Connection;
  try {
    connection = await lender.connect();
  } catch (error) {
    throw new NotSent(error);
  }
  const lease = new Lease(lender, connection, deadline);
  try {
    return await call(connection);
  } catch (error) {
    lease.suffer(error);
    throw error;
  } finally {
    lease.end();
  }
}

/** Several calls over one connection, of which the work may catch what one throws. */
export function withConnection<Connection, T>(
  lender: Lender<Connection>,
  deadline: Deadline,
  work: (connection: Connection, watch: Watch) => Promise<T>,
): Promise<T> {
  let isBroken = false;
  const watch: Watch = async (call) => {
    try {
      return await call;
    } catch (error) {
      isBroken ||= lender.isFatal(error);
      throw error;
    }
  };
  const watched: Lender<Connection> = {
    ...lender,
    giveBack: (connection, isAbandoned) => lender.giveBack(connection, isAbandoned || isBroken),
    // What the work itself throws says nothing of the connection.
    isFatal: () => false,
  };
  return callOnce(watched, deadline, (connection) => work(connection, watch));
}

/** Runs work between `begin` and COMMIT; `command` executes a statement that has no values. */
export async function inTransaction<T>(
  command: (sql: string) => Promise<unknown>,
  begin: string,
  work: () => Promise<T>,
  onCommit: () => void,
): Promise<T> {
  await command(begin);
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await rollback(command);
    throw error;
  }
  onCommit();
  await command("COMMIT");
  return result;
}

async function rollback(command: (sql: string) => Promise<unknown>): Promise<void> {
  try {
    await command("ROLLBACK");
  } catch {
    // The connection is gone, and the transaction with it.
  }
}
