import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { onTestFinished } from "vitest";
import { freePort } from "../support/servers/ports.ts";

export interface Scraped {
  /** Values by series, such as `psession_opens_total{psession_outcome="live"}`. */
  readonly values: ReadonlyMap<string, number>;
  readonly text: string;
}

/** The real SDK with its Prometheus exporter, which listens on a free port until the test ends. */
export async function startMetrics() {
  const port = await freePort();
  const exporter = new PrometheusExporter({
    host: "127.0.0.1",
    port,
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  });
  const meterProvider = new MeterProvider({ readers: [exporter] });
  await exporter.startServer();
  onTestFinished(() => meterProvider.shutdown());
  return { meterProvider, exporter, scrape: () => scrape(`http://127.0.0.1:${port}/metrics`) };
}

export async function scrape(url: string): Promise<Scraped> {
  const text = await (await fetch(url)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const values = new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))] as const;
    }),
  );
  return { values, text };
}

/** The counters, without the zeros. */
export function countedIn({ values }: Scraped): Record<string, number> {
  return Object.fromEntries(
    [...values].filter(([series, value]) => /_total($|\{)/.test(series) && value !== 0),
  );
}
