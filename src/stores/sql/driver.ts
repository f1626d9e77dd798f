import type { StoreChannel } from "../store.ts";
import type { Answer, Program, Statement } from "./statement.ts";

export interface Abandonable {
  /** The caller waits no longer; what was sent may still be under way. */
  abandon(): void;
}

/** How long one operation of a store may take, and what to do with its connection when it is over. */
export class Deadline {
  /** Milliseconds by `performance.now()`. */
  readonly at: number;
  isOver = false;
  /** Called by the code that uses a connection: no one can use that any more. */
  lease: Abandonable | undefined;

  constructor(timeout: number) {
    this.at = performance.now() + timeout;
  }

  expire(): void {
    this.isOver = true;
    this.lease?.abandon();
  }
}

/** There was no connection: nothing was sent, and nothing can have happened. */
export class NotSent extends Error {
  /** No statement was prepared either, so the message holds no value of one. */
  readonly isBare: boolean;

  constructor(cause: unknown, { isBare = true } = {}) {
    super("no connection", { cause });
    this.isBare = isBare;
  }
}

export interface SqlConnection {
  run(statement: Statement): Promise<Answer>;
}

type Listening = ReturnType<StoreChannel["subscribe"]>;

/** An application's pool or client. What it throws is whatever its driver throws, or `NotSent` with that. */
export interface SqlDriver {
  /** Runs one statement by itself, on whatever connection is free. */
  run(statement: Statement, deadline: Deadline): Promise<Answer>;
  /**
   * Runs work on one connection, in one transaction that sees what others commit between its statements (or
   * reads the newest where it locks). `onCommit` is called before COMMIT is sent.
   */
  transaction<T>(
    work: (connection: SqlConnection) => Promise<T>,
    deadline: Deadline,
    onCommit: () => void,
  ): Promise<T>;
  close(): Promise<void>;
  /** Subscribes to a channel of the server, over a connection that it keeps. Left out where the driver cannot. */
  readonly listen?:
    | ((channel: string, ...to: Parameters<StoreChannel["subscribe"]>) => Listening)
    | undefined;
  /** A sentence with another reason than a slow database for an answer that does not come. */
  readonly whenSilent?: string | undefined;
}

/** Executes a program statement by statement. What a statement throws, the program may catch. */
export async function execute<T>(
  program: Program<T>,
  run: (statement: Statement) => Promise<Answer>,
): Promise<T> {
  let step = program.next();
  while (!step.done) {
    let answer: Answer;
    try {
      answer = await run(step.value);
    } catch (error) {
      step = program.throw(error);
      continue;
    }
    step = program.next(answer);
  }
  return step.value;
}

/** The same for databases that answer at once. */
export function executeSync<T>(program: Program<T>, run: (statement: Statement) => Answer): T {
  let step = program.next();
  while (!step.done) {
    let answer: Answer;
    try {
      answer = run(step.value);
    } catch (error) {
      step = program.throw(error);
      continue;
    }
    step = program.next(answer);
  }
  return step.value;
}
