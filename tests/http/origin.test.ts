import { expect, onTestFinished, test } from "vitest";
import { isSameOrigin } from "../../src/index.ts";
import * as inExpress from "../../src/integrations/express/index.ts";
import * as inFastify from "../../src/integrations/fastify/index.ts";
import * as inFetch from "../../src/integrations/fetch/index.ts";
import * as inHono from "../../src/integrations/hono/index.ts";
import * as inKoa from "../../src/integrations/koa/index.ts";
import * as inNode from "../../src/integrations/node/index.ts";

const post = (headers: Record<string, string>, method = "POST", allowed?: string[]) =>
  isSameOrigin(
    { method, header: (name) => headers[name], origin: "https://app.example" },
    allowed === undefined ? {} : { allowed },
  );

// First, as it is told once in a process.
test("where only the scheme differs, a warning names the proxy, once", async () => {
  const warnings: string[] = [];
  const listen = ({ message }: Error) => void warnings.push(message);
  process.on("warning", listen);
  onTestFinished(() => void process.off("warning", listen));
  expect([post({ origin: "http://app.example" }), post({ origin: "http://app.example" })]).toEqual([
    false,
    false,
  ]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([expect.stringContaining("trust")]);
  expect(post({ origin: "https://evil.example" })).toBe(false);
});

test("Sec-Fetch-Site decides where the browser sends it", () => {
  expect(post({ "sec-fetch-site": "same-origin" })).toBe(true);
  expect(post({ "sec-fetch-site": "none" })).toBe(true);
  expect(post({ "sec-fetch-site": "same-site" })).toBe(false);
  expect(post({ "sec-fetch-site": "cross-site" })).toBe(false);
  expect(post({ "sec-fetch-site": "cross-site", origin: "https://app.example" })).toBe(false);
});

test("Origin decides otherwise, compared exactly", () => {
  expect(post({ origin: "https://app.example" })).toBe(true);
  for (const origin of [
    "http://app.example",
    "https://app.example:444",
    "https://evil.example",
    "null",
    "",
  ]) {
    expect(post({ origin }), origin).toBe(false);
  }
});

test("an origin that is allowed is compared as browsers write it, and one that can match nothing is refused", () => {
  const from = (origin: string, allowed: string) => post({ origin }, "POST", [allowed]);
  for (const allowed of [
    "https://a.example/",
    "HTTPS://A.example",
    "https://a.example:443",
    "https://a.example",
  ])
    expect(from("https://a.example", allowed), allowed).toBe(true);
  expect(from("https://a.example:8443", "https://a.example:8443/")).toBe(true);
  expect(from("https://xn--bcher-kva.example", "https://bücher.example")).toBe(true);
  expect(from("capacitor://localhost", "capacitor://localhost")).toBe(true);
  for (const wrong of [
    "a.example",
    "a.example:443",
    "localhost:3000",
    "https://*.example",
    "*",
    "null",
    "https://a.example/path",
    "https://a.example?x",
    "https://ada@a.example",
    "https://",
    "",
    7 as never,
  ]) {
    const refused = { code: "invalid_options", message: expect.stringContaining("origin") };
    expect(() => from("https://a.example", wrong), String(wrong)).toThrow(expect.objectContaining(refused));
    const options = { allowed: [wrong] };
    for (const make of [
      () => inExpress.originCheck(options),
      () => inKoa.originCheck(options),
      () => inFastify.originCheck(options),
      () => inHono.originCheck(options),
      () => inFetch.originCheck(options),
      () => inNode.originCheck(options),
      () => inNode.requireLogin({ origin: options }),
      () => inExpress.devices(options),
    ]) {
      expect(make, `${wrong} ${make}`).toThrow(expect.objectContaining(refused));
    }
  }
});

test("a request without either comes from no browser", () => {
  expect(post({})).toBe(true);
});

test("safe methods are let through, and origins that the application allows", () => {
  for (const method of ["GET", "HEAD", "OPTIONS"])
    expect(post({ "sec-fetch-site": "cross-site" }, method)).toBe(true);
  const headers = { "sec-fetch-site": "cross-site", origin: "https://admin.example" };
  expect(post(headers, "POST", ["https://admin.example"])).toBe(true);
  expect(post(headers, "DELETE", ["https://other.example"])).toBe(false);
});
