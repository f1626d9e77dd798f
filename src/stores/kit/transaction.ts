import { isThenable } from "../../checks/given.ts";

/** As `await` takes it. */
export type Awaitable<T> = T | PromiseLike<T | PromiseLike<T>>;

/** Keys in the order of their bytes, which are ASCII. */
export interface Range {
  readonly prefix: string;
  /** Only keys beyond this one. */
  readonly after?: string | undefined;
  /** Only keys below this one. */
  readonly before?: string | undefined;
  /** From the last one to the first. */
  readonly isReverse?: boolean | undefined;
  /** At most so many, those that come first. */
  readonly limit?: number | undefined;
}

export type Entries<Value> = Iterable<readonly [key: string, value: Value]>;

/** What a database gives and takes inside one transaction. Values are what `encode` of the kit makes: text. */
export interface Transaction<Value = string> {
  get(key: string): Value | undefined | PromiseLike<Value | undefined>;
  put(key: string, value: Value): unknown;
  delete(key: string): unknown;
  range(range: Range): Entries<Value> | PromiseLike<Entries<Value>>;
}

export type Operation =
  | { readonly kind: "get"; readonly key: string }
  | { readonly kind: "range"; readonly range: Range };

/** Reads by yielding, and writes into what is flushed at the end: a program that gives up has written nothing. */
// biome-ignore lint/suspicious/noExplicitAny: each operation has an answer of its own.
export type Steps<T> = Generator<Operation, T, any>;

/** Goes on with an answer: at once where it is there. */
export const afterwards = <T, R>(answer: Awaitable<T>, next: (answer: T) => R): R | PromiseLike<R> =>
  isThenable(answer) ? Promise.resolve(answer).then(next) : next(answer as T);

/** Runs a program, without a turn in between where the database answers at once. */
export function drive<T>(
  steps: Steps<T>,
  perform: (operation: Operation) => Awaitable<unknown>,
  end: () => Awaitable<void>,
): Awaitable<T> {
  const advance = (first: unknown): Awaitable<T> => {
    let answer = first;
    for (;;) {
      const { done, value } = steps.next(answer);
      if (done) return afterwards(end(), () => value);
      const next = perform(value);
      if (isThenable(next)) return next.then(advance);
      answer = next;
    }
  };
  return advance(undefined);
}
