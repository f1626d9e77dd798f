// Starts the SDK before anything is measured. Here Prometheus scrapes the metrics, at
// http://127.0.0.1:9464/metrics, and spans go to the console if you say so: OTEL_TRACES_EXPORTER=console node app.js
import { context, metrics, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { ConsoleSpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { instrument } from "psession/opentelemetry";

const { OTEL_EXPORTER_PROMETHEUS_PORT: port = "9464", OTEL_TRACES_EXPORTER: traces = "none" } = process.env;

// On a separate port, and on loopback only: the numbers of sign-ins and stolen cookies are not public.
const exporter = new PrometheusExporter({ host: "127.0.0.1", port: Number(port) });
const meterProvider = new MeterProvider({ readers: [exporter] });
metrics.setGlobalMeterProvider(meterProvider);

const toConsole = new SimpleSpanProcessor({ exporter: new ConsoleSpanExporter() });
const tracerProvider = new TracerProvider({ spanProcessors: traces === "console" ? [toConsole] : [] });
trace.setGlobalTracerProvider(tracerProvider);
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

const end = instrument();

export async function stop() {
  end();
  await Promise.all([meterProvider.shutdown(), tracerProvider.shutdown()]);
}
