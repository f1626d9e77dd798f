import { SpanStatusCode, type TracerProvider } from "@opentelemetry/api";
import { type CommitContext, commits, type OpenContext, openings } from "../tracing.ts";
import { onFinished } from "./calls.ts";
import { ATTRIBUTES, errorTypeOf, SCOPE, type SPANS } from "./definitions.ts";

/** Makes spans of what every psession of the process does, until the function that it returns is called. */
export function spanInto(provider: TracerProvider): () => void {
  const tracer = provider.getTracer(SCOPE);
  // Made at the end, as a commit with nothing to do is no span.
  const spanAs = (name: keyof typeof SPANS) => (of: OpenContext | CommitContext, begun: number) => {
    const attributes = { [ATTRIBUTES.store]: of.store, [ATTRIBUTES.outcome]: of.outcome };
    const span = tracer.startSpan(name, { startTime: begun, attributes });
    if ("error" in of) {
      span.setAttribute(ATTRIBUTES.error, errorTypeOf(of.error));
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end(performance.now());
  };
  const ends = [
    onFinished(openings, spanAs("psession.open")),
    onFinished(commits, spanAs("psession.commit")),
  ];
  return () => {
    for (const end of ends) end();
  };
}
