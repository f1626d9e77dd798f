import { type Deadline, NotSent } from "./driver.ts";

/** What is to be known of a driver's connections to lend one out. */
export interface Lender<Connection> {
  connect(): Promise<Connection>;
  /** Gives a connection back to its pool, or destroys one that is of no use to anybody any more. */
  giveBack(connection: Connection, isBroken: boolean): void;
  /** Whether an error takes its connection along. */
  isFatal(error: unknown): boolean;
}

/** Hears what a call over the connection throws, as that may be the end of the connection. */
export type Watch = <R>(call: Promise<R>) => Promise<R>;

/**
 * Does work over one connection of a pool. A connection that broke, or that somebody gave up waiting for, is
 * destroyed: the pool makes another one.
 */
export async function withConnection<Connection, T>(
  lender: Lender<Connection>,
  deadline: Deadline,
  work: (connection: Connection, watch: Watch) => Promise<T>,
): Promise<T> {
  const connection = await connected(lender);
  let isGivenBack = false;
  let isBroken = false;
  const giveBack = () => {
    if (isGivenBack) return;
    isGivenBack = true;
    lender.giveBack(connection, isBroken);
  };
  if (deadline.isOver) {
    giveBack();
    throw new NotSent(new Error("The connection came too late."));
  }
  deadline.onOver = () => {
    isBroken = true;
    giveBack();
  };
  const watch: Watch = async (call) => {
    try {
      return await call;
    } catch (error) {
      isBroken ||= lender.isFatal(error);
      throw error;
    }
  };
  try {
    return await work(connection, watch);
  } finally {
    deadline.onOver = undefined;
    giveBack();
  }
}

async function connected<Connection>({ connect }: Lender<Connection>): Promise<Connection> {
  try {
    return await connect();
  } catch (error) {
    throw new NotSent(error);
  }
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
