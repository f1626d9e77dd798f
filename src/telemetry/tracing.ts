import { channel, type TracingChannel, tracingChannel } from "node:diagnostics_channel";
import type { Outcome } from "../protocol/outcome.ts";

/**
 * What psession publishes on `node:diagnostics_channel` beside its events: one object per call, the same from start to
 * end. It holds no secret, no id and nothing about a user.
 */
interface Traced {
  /** The store's name, such as "postgres". */
  readonly store: string;
  /** What was thrown; absent if nothing was. */
  error?: unknown;
}

/** A request being opened: "tracing:psession.open:start" and its siblings. */
export interface OpenContext extends Traced {
  /** Known once "asyncStart" is published, unless opening failed. */
  outcome: Outcome | undefined;
}

/**
 * A request being committed, "tracing:psession.commit:…". A commit with nothing to do ends at once: then there is
 * "start" and "end", and no "asyncStart" and "asyncEnd".
 */
export interface CommitContext extends Traced {
  readonly outcome: Outcome;
}

/** A call of the store, "tracing:psession.store:…". */
export interface StoreContext extends Traced {
  readonly operation: StoreOperation;
  /** Of `apply`: what the change is. */
  readonly change?: ChangeKind | undefined;
}

/** What a change of a store is, as in `Change` of psession/store. */
export type ChangeKind =
  | "create"
  | "save"
  | "restore"
  | "accept"
  | "signIn"
  | "renew"
  | "stray"
  | "end"
  | "revoke"
  | "name"
  | "erase";

/** What requests and pruning ask of a store. */
export type StoreOperation =
  | "findSession"
  | "findRemembered"
  | "apply"
  | "touch"
  | "list"
  | "rowsOf"
  | "prune"
  | "forgetAddresses"
  | "acquireLock"
  | "releaseLock";

/** One batch of calls of many requests that goes to the database together, "psession:batch". */
export interface BatchFacts {
  readonly store: string;
  readonly operation: "findSession" | "touch";
  /** The sessions that are read or touched by one statement, command or script. */
  readonly size: number;
}

/** The same twice: @types/node has exchanged the two, and only one of them may be what is no object. */
type Tracing<Context extends object> = TracingChannel<Context, Context>;

export const openings: Tracing<OpenContext> = tracingChannel("psession.open");
export const commits: Tracing<CommitContext> = tracingChannel("psession.commit");
export const storeCalls: Tracing<StoreContext> = tracingChannel("psession.store");
export const batches = channel("psession:batch");

export function publishBatch(store: string, operation: BatchFacts["operation"], size: number): void {
  if (batches.hasSubscribers) batches.publish({ store, operation, size } satisfies BatchFacts);
}

/** As `TracingChannel.hasSubscribers`, which Bun does not have. */
export const isHeard = (
  tracing: Record<
    "start" | "end" | "asyncStart" | "asyncEnd" | "error",
    { readonly hasSubscribers: boolean }
  >,
): boolean =>
  tracing.start.hasSubscribers ||
  tracing.end.hasSubscribers ||
  tracing.asyncStart.hasSubscribers ||
  tracing.asyncEnd.hasSubscribers ||
  tracing.error.hasSubscribers;

/**
 * Traces `work` as Node's own `tracePromise` does, with two differences: that one gives every subscriber the result,
 * here a user's session, and makes a promise of a result that is there at once.
 */
export function traced<Context extends Traced, Result>(
  { start, end, asyncStart, asyncEnd, error }: Tracing<Context>,
  context: Context,
  work: () => Result,
): Result {
  const fail = (reason: unknown): never => {
    context.error = reason;
    error.publish(context);
    throw reason;
  };
  const settle = () => {
    asyncStart.publish(context);
    asyncEnd.publish(context);
  };
  return start.runStores(context, () => {
    try {
      const result = work();
      return result instanceof Promise ? (result.catch(fail).finally(settle) as Result) : result;
    } catch (reason) {
      return fail(reason);
    } finally {
      end.publish(context);
    }
  });
}
