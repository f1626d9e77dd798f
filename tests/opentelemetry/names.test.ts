import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DataPointType } from "@opentelemetry/sdk-metrics";
import { expect, onTestFinished, test, vi } from "vitest";
import type {
  BatchFacts,
  ChangeKind,
  CommitContext,
  OpenContext,
  Outcome,
  PsessionEvents,
  StoreContext,
  StoreOperation,
} from "../../src/index.ts";
import {
  ATTRIBUTES,
  COUNTERS,
  HISTOGRAMS,
  REASONS,
  SKIPPED,
  SPANS,
} from "../../src/telemetry/opentelemetry/definitions.ts";
import { instrument } from "../../src/telemetry/opentelemetry/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { bindKey, KeyHolder, proveKey, skipProof } from "../support/bound.ts";
import { DAY } from "../support/clock.ts";
import { freePort } from "../support/servers/ports.ts";
import { folderForApp, ROOT } from "../support/shop.ts";
import { failingStore } from "../support/stores.ts";
import { startMetrics } from "./provider.ts";

const PAGE = readFileSync(join(ROOT, "docs/observability.md"), "utf8");

/** The cells of each row of the page's table that has these headings. */
function rowsOf(...headings: readonly string[]): string[][] {
  const head = `| ${headings.join(" | ")} |`;
  const lines = PAGE.split("\n");
  const start = lines.indexOf(head) + 2;
  expect(start).toBeGreaterThan(1);
  const end = lines.findIndex((line, index) => index >= start && !line.startsWith("|"));
  return lines.slice(start, end).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

const codesIn = (cell = ""): string[] => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = ""]) => code);

test("the page has every metric with its kind, unit and attributes, and no other", () => {
  const documented = rowsOf("name", "kind", "unit", "attributes", "meaning").map(
    ([name, kind, unit, attributes]) => [codesIn(name)[0], kind, codesIn(unit)[0], codesIn(attributes)],
  );
  expect(documented).toEqual([
    ...Object.entries(COUNTERS).map(([name, { unit, attributes }]) => [name, "counter", unit, attributes]),
    ...Object.entries(HISTOGRAMS).map(([name, { unit, attributes }]) => [
      name,
      "histogram",
      unit,
      attributes,
    ]),
  ]);
});

test("the page has every span and attribute, and every value that an attribute may have", () => {
  const spans = rowsOf("name", "attributes", "meaning").map(([name, attributes]) => [
    codesIn(name)[0],
    codesIn(attributes),
  ]);
  expect(Object.fromEntries(spans)).toEqual(SPANS);
  const values = new Map(
    rowsOf("attribute", "values").map(([name, cell]) => [codesIn(name)[0], codesIn(cell)]),
  );
  expect([...values.keys()]).toEqual(Object.values(ATTRIBUTES));
  expect(values.get(ATTRIBUTES.outcome)?.slice(1)).toEqual(Object.keys(OUTCOMES));
  expect(values.get(ATTRIBUTES.reason)).toEqual([...REASONS, "other"]);
  expect(values.get(ATTRIBUTES.why)).toEqual(Object.keys(WHY));
  expect(values.get(ATTRIBUTES.skipped)).toEqual([...SKIPPED, "other"]);
  expect(values.get(ATTRIBUTES.operation)).toEqual(Object.keys(OPERATIONS));
  expect(values.get(ATTRIBUTES.change)?.slice(1)).toEqual(Object.keys(CHANGES));
});

test("the page has the fields of every channel", () => {
  const documented = rowsOf("channel", "fields", "meaning").map(([name, fields]) => [
    codesIn(name)[0],
    codesIn(fields),
  ]);
  expect(documented.slice(1)).toEqual([
    ["psession:batch", Object.keys(BATCH)],
    ["tracing:psession.open", Object.keys(OPEN)],
    ["tracing:psession.commit", Object.keys(COMMIT)],
    ["tracing:psession.store", Object.keys(STORE)],
  ]);
});

/** Exhaustive by their types: one more, and this does not compile. */
const OUTCOMES: Readonly<Record<Outcome, true>> = {
  none: true,
  live: true,
  restored: true,
  recovered: true,
  converged: true,
  accepted: true,
  theft: true,
  expired: true,
  moved: true,
  unproved: true,
  revoked: true,
  unknown: true,
  replaced: true,
  malformed: true,
  duplicate: true,
  ahead: true,
  forked: true,
  stray: true,
  skew: true,
  insecure: true,
  unavailable: true,
};
const CHANGES: Readonly<Record<ChangeKind, true>> = {
  create: true,
  save: true,
  restore: true,
  accept: true,
  signIn: true,
  renew: true,
  stray: true,
  end: true,
  revoke: true,
  name: true,
  erase: true,
};
const OPERATIONS: Readonly<Record<StoreOperation, true>> = {
  findSession: true,
  findRemembered: true,
  apply: true,
  touch: true,
  list: true,
  rowsOf: true,
  prune: true,
  forgetAddresses: true,
  acquireLock: true,
  releaseLock: true,
};
const WHY: Readonly<Record<PsessionEvents["boundRefused"]["why"], true>> = {
  unproved: true,
  stale: true,
  registration: true,
  signature: true,
};
const BATCH: Readonly<Record<keyof BatchFacts, true>> = { store: true, operation: true, size: true };
const OPEN: Readonly<Record<keyof OpenContext, true>> = { store: true, outcome: true, error: true };
const COMMIT: Readonly<Record<keyof CommitContext, true>> = { store: true, outcome: true, error: true };
const STORE: Readonly<Record<keyof StoreContext, true>> = {
  store: true,
  operation: true,
  change: true,
  error: true,
};

test("only defined metrics are recorded, with no other attribute", async () => {
  const { meterProvider, exporter } = await startMetrics();
  onTestFinished(instrument({ meterProvider }));
  const { store, failing } = failingStore();
  const app = testApp({ store, deviceBound: {} });
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada", { remember: true }));
  const bound = new TestBrowser(app);
  const { session } = await bound.visit((session) => session.login("bob"));
  const keys = await bindKey(bound, session);
  expect(await proveKey(bound, keys)).toMatchObject({ kind: "bound" });
  skipProof(app, "unreachable");
  await proveKey(bound, new KeyHolder());
  failing.add("findSession");
  await expect(browser.visit()).rejects.toThrow();
  failing.clear();
  await app.psession.revokeUser("ada", "a reason of its own");
  app.clock.advance(40 * DAY);
  await app.psession.prune();

  const { resourceMetrics } = await exporter.collect();
  const measured = resourceMetrics.scopeMetrics.flatMap(({ scope, metrics }) =>
    metrics.map((metric) => ({ scope, ...metric })),
  );
  const definitions = { ...COUNTERS, ...HISTOGRAMS };
  const withoutBatches = Object.keys(definitions).filter((name) => name !== "psession.batch.size");
  expect(measured.map(({ descriptor }) => descriptor.name).sort()).toEqual(withoutBatches.sort());
  for (const { scope, descriptor, dataPointType, dataPoints } of measured) {
    const name = descriptor.name as keyof typeof definitions;
    const { unit, description, attributes } = definitions[name];
    expect(scope.name).toBe("psession");
    expect(descriptor).toMatchObject({ unit, description });
    expect(dataPointType).toBe(name in COUNTERS ? DataPointType.SUM : DataPointType.HISTOGRAM);
    const used = new Set(dataPoints.flatMap((point) => Object.keys(point.attributes)));
    expect([name, [...used].sort()]).toEqual([name, [...attributes].sort()]);
  }
});

test("the code of the page runs as it stands", async () => {
  const port = await freePort();
  const [prometheus = "", channels = ""] = Array.from(
    PAGE.matchAll(/^```js\n([\s\S]*?)```$/gm),
    ([, code = ""]) => code,
  );
  const file = join(folderForApp(), "page.mjs");
  const shown = `${prometheus.replace("9464", String(port))}${channels}export { end, meterProvider };\n`;
  writeFileSync(file, shown);
  const { end, meterProvider } = (await import(pathToFileURL(file).href)) as {
    end(): void;
    meterProvider: { shutdown(): Promise<void> };
  };
  onTestFinished(async () => {
    end();
    await meterProvider.shutdown();
  });
  const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
  onTestFinished(() => warned.mockRestore());
  await new TestBrowser(testApp()).visit((session) => session.login("ada"));
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(text).toContain('psession_logins_total{psession_remembered="false",otel_scope_name="psession"} 1');
  expect(warned).not.toHaveBeenCalled();
});
