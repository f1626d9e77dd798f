import { context as active, type Context, SpanStatusCode, type TracerProvider } from "@opentelemetry/api";
import { type CommitContext, commits, type OpenContext, openings } from "../tracing.ts";
import { onFinished } from "./calls.ts";
import { ATTRIBUTES, errorTypeOf, SCOPE, type SPANS } from "./definitions.ts";

interface Begun {
  readonly at: number;
  readonly parent: Context;
}

/** Makes spans by this provider of what every psession of the process does, until the function that it returns is called. */
export function spanInto(provider: TracerProvider): () => void {
  const tracer = provider.getTracer(SCOPE);
  const begin = (): Begun => ({ at: performance.now(), parent: active.active() });
  // Made when all is known: a commit with nothing to do is no span.
  const tellAs =
    (name: keyof typeof SPANS) =>
    (of: OpenContext | CommitContext, { at, parent }: Begun) => {
      const attributes = { [ATTRIBUTES.store]: of.store, [ATTRIBUTES.outcome]: of.outcome };
      const span = tracer.startSpan(name, { startTime: at, attributes }, parent);
      if ("error" in of) {
        span.setAttribute(ATTRIBUTES.error, errorTypeOf(of.error));
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end(performance.now());
    };
  const ends = [
    onFinished(openings, begin, tellAs("psession.open")),
    onFinished(commits, begin, tellAs("psession.commit")),
  ];
  return () => {
    for (const end of ends) end();
  };
}
