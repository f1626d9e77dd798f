import { PsessionError } from "../../errors.ts";
import { Misread } from "./answers.ts";
import { Deadline, execute, NotSent, type SqlDriver } from "./driver.ts";
import { storeError } from "./errors.ts";
import type { Runs } from "./program-store.ts";
import { ConditionFailed } from "./programs/conflict.ts";
import type { Sql } from "./sql.ts";
import { type Answer, type FaultKind, type Program, SqlFault, type Statement } from "./statement.ts";
import { wasIdle, wasNotDone } from "./syntax.ts";

/** First waits are short: another transaction mostly gives its locks back within a millisecond. */
const WAITS = [1, 2, 5, 10, 20, 50];

/**
 * The numbers of retries. Broken: each retry takes another dead connection out of the pool, until the pool makes a new
 * one. Unreachable: connecting failed, and may fail immediately for ever.
 */
const MOST_RETRIES: Partial<Record<FaultKind, number>> = { contention: 60, connection: 20, unreachable: 1 };

export interface RunnerParts {
  /** The store's name, for messages. */
  readonly name: string;
  readonly statements: Sql;
  readonly driver: SqlDriver;
  /** Milliseconds that one operation may take, waiting for a connection included. */
  readonly timeout: number;
}

/**
 * Runs programs on a driver. Retries after a conflict of locks, and where a connection broke before anything can have
 * happened. In the end every fault is a `PsessionError`, and nothing takes longer than the timeout.
 */
export class Runner implements Runs {
  readonly #name: string;
  readonly #statements: Sql;
  readonly #driver: SqlDriver;
  readonly #timeout: number;

  constructor({ name, statements, driver, timeout }: RunnerParts) {
    this.#name = name;
    this.#statements = statements;
    this.#driver = driver;
    this.#timeout = timeout;
  }

  /** One statement that changes nothing: what most requests need, and no more. */
  select<T>(statement: Statement, read: (rows: Answer["rows"]) => T): Promise<T> {
    return this.#retrying(true, this.#timeout, async (deadline) =>
      read((await this.#driver.run(statement, deadline)).rows),
    );
  }

  read<T>(make: () => Program<T>): Promise<T> {
    return this.run(make, { isRepeatable: true });
  }

  /** Independent statements. `isRepeatable`: running them twice has the effect of running them once. */
  run<T>(make: () => Program<T>, { isRepeatable = false } = {}): Promise<T> {
    return this.#retrying(isRepeatable, this.#timeout, (deadline) =>
      execute(make(), (statement) =>
        this.#driver.run(statement, deadline).catch((error: unknown) => {
          throw this.#fault(error, !isRepeatable);
        }),
      ),
    );
  }

  /** All of a program or nothing of it. */
  transact<T>(make: () => Program<T>, { isRepeatable = false, timeout = this.#timeout } = {}): Promise<T> {
    return this.#retrying(isRepeatable, timeout, async (deadline) => {
      let isCommitting = false;
      try {
        return await this.#driver.transaction(
          (connection) =>
            execute(make(), (statement) =>
              connection.run(statement).catch((error: unknown) => {
                throw this.#fault(error, false);
              }),
            ),
          deadline,
          () => {
            isCommitting = true;
          },
        );
      } catch (error) {
        throw error instanceof ConditionFailed ? error : this.#fault(error, isCommitting && !isRepeatable);
      }
    });
  }

  /** Waits for shared work no longer than for an operation; that work goes on. */
  patiently<T>(work: Promise<T>): Promise<T> {
    return this.#within(new Deadline(this.#timeout), this.#timeout, work);
  }

  async #retrying<T>(
    isRepeatable: boolean,
    timeout: number,
    work: (deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    const deadline = new Deadline(timeout);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#within(deadline, timeout, work(deadline));
      } catch (error) {
        if (error instanceof ConditionFailed || error instanceof PsessionError) throw error;
        const fault = this.#fault(error, !isRepeatable);
        const most = fault.mayBeDone && fault.kind !== "contention" ? 0 : (MOST_RETRIES[fault.kind] ?? 0);
        if (attempt < most) await pause(attempt);
        if (attempt >= most || performance.now() >= deadline.at)
          throw storeError(this.#name, fault, this.#statements.dialect);
      }
    }
  }

  #within<T>(deadline: Deadline, timeout: number, work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(
        () => {
          deadline.expire();
          reject(
            new PsessionError(
              "store_unavailable",
              `The ${this.#name} store did not answer within ${timeout} ms (option timeout). ${this.#driver.whenSilent ?? ""}`.trim(),
            ),
          );
        },
        // In whole milliseconds: timers of one length are kept together.
        Math.max(0, Math.ceil(deadline.at - performance.now())),
      );
      // The caller has its timeout already: a later failure has no one to report to.
      work.then(
        (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
  }

  #fault(error: unknown, mayBeDone: boolean): SqlFault {
    if (error instanceof SqlFault) return error;
    if (error instanceof Misread) return new SqlFault("other", error);
    const { dialect } = this.#statements;
    if (error instanceof NotSent) {
      const kind = dialect.classify(error.cause);
      const isReached = wasIdle(error.cause) || (kind !== "other" && kind !== "connection");
      return new SqlFault(isReached ? kind : "unreachable", error.cause, { isBare: error.isBare });
    }
    return new SqlFault(dialect.classify(error), error, { mayBeDone: mayBeDone && !wasNotDone(error) });
  }
}

function pause(attempt: number): Promise<void> {
  const wait = WAITS[Math.min(attempt, WAITS.length - 1)] ?? 50;
  return new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
}
