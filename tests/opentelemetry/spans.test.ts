import { context, type HrTime, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { expect, onTestFinished, test } from "vitest";
import { instrument } from "../../src/telemetry/opentelemetry/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { failingStore } from "../support/stores.ts";

/** The real SDK, which keeps finished spans, and knows the active one across promises. */
function startTracing({ isGlobal = false } = {}) {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  if (isGlobal) trace.setGlobalTracerProvider(tracerProvider);
  onTestFinished(() => {
    context.disable();
    trace.disable();
    return tracerProvider.shutdown();
  });
  return { tracerProvider, spans: () => exporter.getFinishedSpans() };
}

const milliseconds = ([seconds, nanoseconds]: HrTime = [0, 0]) => seconds * 1000 + nanoseconds / 1e6;

test("a request's opening and commit are spans within the active one", async () => {
  const { tracerProvider, spans } = startTracing();
  onTestFinished(instrument({ tracerProvider }));
  const browser = new TestBrowser(testApp());
  const tracer = tracerProvider.getTracer("the framework");
  await tracer.startActiveSpan("GET /cart", async (span) => {
    await browser.visit((session) => session.set("count", 1));
    span.end();
  });
  const [open, commit, request] = spans();
  expect(spans().map(({ name }) => name)).toEqual(["psession.open", "psession.commit", "GET /cart"]);
  for (const span of [open, commit]) {
    expect(span?.attributes).toEqual({ "psession.outcome": "none", "psession.store.name": "memory" });
    expect(span?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
    expect(span?.spanContext().traceId).toBe(request?.spanContext().traceId);
    expect(span?.instrumentationScope.name).toBe("psession");
    expect(span?.status.code).toBe(SpanStatusCode.UNSET);
    // An hour or a time origin off, were one kind of time taken for another.
    expect(Math.abs(Date.now() - milliseconds(span?.startTime))).toBeLessThan(HOUR);
    expect(milliseconds(span?.duration)).toBeGreaterThan(0);
  }
});

test("requests at the same time are within their own", async () => {
  const { tracerProvider, spans } = startTracing();
  onTestFinished(instrument({ tracerProvider }));
  const app = testApp();
  const tracer = tracerProvider.getTracer("the framework");
  await Promise.all(
    ["/a", "/b", "/c"].map((path) =>
      tracer.startActiveSpan(path, async (span) => {
        await new TestBrowser(app).visit();
        span.end();
      }),
    ),
  );
  const opens = spans().filter(({ name }) => name === "psession.open");
  const requests = spans().filter(({ name }) => name.startsWith("/"));
  expect(opens.map(({ parentSpanContext }) => parentSpanContext?.spanId).sort()).toEqual(
    requests.map((span) => span.spanContext().spanId).sort(),
  );
});

test("a commit with nothing to do is no span", async () => {
  const { tracerProvider, spans } = startTracing();
  onTestFinished(instrument({ tracerProvider }));
  await new TestBrowser(testApp()).visit();
  expect(spans().map(({ name }) => name)).toEqual(["psession.open"]);
});

test("a failure is the span's status and the error's code, without its message", async () => {
  const { tracerProvider, spans } = startTracing();
  onTestFinished(instrument({ tracerProvider }));
  const { store, failing } = failingStore();
  const browser = new TestBrowser(testApp({ store }));
  await browser.visit((session) => session.set("count", 1));
  const before = spans().length;
  failing.add("findSession");
  await expect(browser.visit()).rejects.toThrow();
  failing.clear();
  failing.add("apply");
  await expect(browser.visit((session) => session.set("count", 2))).rejects.toThrow();
  const failed = spans().slice(before);
  expect(failed.map(({ name, status, attributes }) => [name, status, attributes["error.type"]])).toEqual([
    ["psession.open", { code: SpanStatusCode.ERROR }, "store_unavailable"],
    ["psession.open", { code: SpanStatusCode.UNSET }, undefined],
    ["psession.commit", { code: SpanStatusCode.ERROR }, "store_unavailable"],
  ]);
  expect(failed.flatMap(({ events }) => events)).toEqual([]);
});

test("the global provider makes each span once, also where it is given by itself as well", async () => {
  const { tracerProvider, spans } = startTracing({ isGlobal: true });
  const ends = [instrument(), instrument({ tracerProvider })];
  await new TestBrowser(testApp()).visit();
  expect(spans()).toHaveLength(1);
  for (const end of ends) end();
  await new TestBrowser(testApp()).visit();
  expect(spans()).toHaveLength(1);
});
