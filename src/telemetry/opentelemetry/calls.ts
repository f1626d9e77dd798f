import type { TracingChannel } from "node:diagnostics_channel";

/**
 * Calls `finished` for every traced call that failed or settled asynchronously, in the asynchronous context of the
 * call, with when it began (`performance.now()`). Returns the function that ends it.
 */
export function onFinished<Context extends object>(
  tracing: TracingChannel<Context, Context>,
  finished: (context: Context, begun: number) => void,
): () => void {
  const calls = new WeakMap<Context, number>();
  const finish = (context: Context) => {
    const begun = calls.get(context);
    // Calls that began before the subscription are left out; and "asyncEnd" follows "error", too.
    if (begun === undefined) return;
    calls.delete(context);
    finished(context, begun);
  };
  const subscribers = {
    start: (context: Context) => void calls.set(context, performance.now()),
    end() {},
    asyncStart() {},
    asyncEnd: finish,
    error: finish,
  };
  tracing.subscribe(subscribers);
  return () => void tracing.unsubscribe(subscribers);
}
