import { join } from "node:path";
import { expect, test } from "vitest";
import { freePort } from "../support/servers/ports.ts";
import { folderForApp, ROOT, startApp, visitShop } from "../support/shop.ts";
import { countedIn, scrape } from "./provider.ts";

const EXAMPLE = join(ROOT, "examples/opentelemetry/app.js");

test("the example serves its metrics to Prometheus, and its spans to the console", async () => {
  const port = await freePort();
  let hear: (text: string) => void = () => {};
  const spans = new Promise<void>((resolve) => {
    let printed = "";
    hear = (text) => {
      printed += text;
      if (printed.includes("'psession.open'") && printed.includes("'psession.commit'")) resolve();
    };
  });
  const client = await startApp(EXAMPLE, folderForApp(), undefined, {
    env: { OTEL_EXPORTER_PROMETHEUS_PORT: String(port), OTEL_TRACES_EXPORTER: "console" },
    hear: (text) => hear(text),
  });
  await visitShop(client);
  const scope = 'otel_scope_name="psession"';
  expect(countedIn(await scrape(`http://127.0.0.1:${port}/metrics`))).toEqual({
    [`psession_opens_total{psession_outcome="none",${scope}}`]: 3,
    [`psession_opens_total{psession_outcome="live",${scope}}`]: 7,
    [`psession_opens_total{psession_outcome="accepted",${scope}}`]: 3,
    [`psession_logins_total{psession_remembered="true",${scope}}`]: 1,
  });
  await spans;
});
