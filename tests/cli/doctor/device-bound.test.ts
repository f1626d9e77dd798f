import type { IncomingHttpHeaders } from "node:http";
import { describe, expect, test } from "vitest";
import type { PsessionOptions } from "../../../src/index.ts";
import { application, overwriting, type ProxyOptions, proxy } from "./deployed.ts";
import { examined } from "./examined.ts";

const codes = (found: ReadonlyMap<string, unknown>) => [...found.keys()];

/** An application whose sessions are bound to keys, behind a proxy that is trusted, and doctor with its configuration. */
async function deployed(passing: ProxyOptions = {}, options: Partial<PsessionOptions> = {}) {
  const there = await examined();
  there.configure({ options: "deviceBound: {}" });
  const behind = await application({
    ...{ trust: true, store: there.store, keys: [there.key], deviceBound: {} },
    ...options,
  });
  const { url, env } = await proxy(behind, { headers: overwriting, ...passing });
  const examine = async (...values: string[]) => codes(await there.findings(["--url", url, ...values], env));
  const all = (...values: string[]) => there.findings(["--url", url, ...values], env);
  return { ...there, url, env, examine, all };
}

const without = (name: string) => (given: IncomingHttpHeaders) =>
  Object.fromEntries(Object.entries(given).filter(([header]) => header !== name));

describe("device-bound sessions, from outside", () => {
  test("a proxy that passes everything on has no finding, and what needs a session is a note", async () => {
    const { all, examine, store } = await deployed();
    const found = await all();
    expect(codes(found)).toEqual(["binding_not_seen"]);
    expect(found.get("binding_not_seen")).toMatchObject({
      severity: "note",
      remedy: expect.stringContaining("--bind"),
    });
    expect(await examine("--bind")).toEqual([]);
    // Nothing is left of the made-up user.
    expect((await store.admin?.browse({ limit: 10 }))?.entries).toEqual([]);
  });

  test.each([
    [
      "a path that is not passed on",
      { status: (given: number, path: string) => (path.startsWith("/device-bound") ? 404 : given) },
    ],
    [
      "a redirect",
      { status: (given: number, path: string) => (path.startsWith("/device-bound") ? 302 : given) },
    ],
  ])("binding_unreachable: %s", async (_, passing) => {
    const { all, examine } = await deployed(passing);
    const found = await all();
    expect(codes(found)).toEqual(["binding_unreachable"]);
    expect(found.get("binding_unreachable")?.message).toMatch(
      /device-bound\/refresh is answered with status (404|302)/,
    );
    expect(await examine("--bind")).toEqual(["binding_unreachable"]);
  });

  test("binding_unreachable: an application that has not the option", async () => {
    const { examine } = await deployed({}, { deviceBound: undefined });
    expect(await examine("--bind")).toEqual(["binding_unreachable"]);
  });

  test("binding_unreachable: a proxy with a page of its own for refusals", async () => {
    const { all, examine, store } = await deployed({ status: (given) => (given === 403 ? 200 : given) });
    expect(await examine()).toEqual(["binding_not_seen"]);
    const found = await all("--bind");
    expect(codes(found)).toEqual(["binding_unreachable"]);
    expect((await store.admin?.browse({ limit: 10 }))?.entries).toEqual([]);
  });

  test("binding_header_stripped", async () => {
    const inward = (name: string) => ({
      headers: (given: IncomingHttpHeaders) => overwriting(without(name)(given)),
    });
    const first = await deployed(inward("sec-secure-session-id"));
    const found = await first.all();
    expect(codes(found)).toEqual(["binding_header_stripped", "binding_not_seen"]);
    expect(found.get("binding_header_stripped")?.message).toContain("Sec-Secure-Session-Id");
    const second = await deployed({ answer: without("secure-session-challenge") });
    expect(await second.examine()).toEqual(["binding_not_seen"]);
    const seen = await second.all("--bind");
    expect(codes(seen)).toEqual(["binding_header_stripped"]);
    expect(seen.get("binding_header_stripped")?.message).toContain("Secure-Session-Challenge");
  });

  test("binding_refused: the proof does not arrive, or the application has other keys", async () => {
    const first = await deployed({
      headers: (given) => overwriting(without("secure-session-response")(given)),
    });
    expect(await first.examine("--bind")).toEqual(["binding_refused"]);
    const second = await deployed({}, { keys: ["another-key-of-at-least-32-bytes-here"] });
    expect(await second.examine("--bind")).toEqual(["binding_refused"]);
  });

  test("binding_origin: the application knows another host than visitors do", async () => {
    const { all } = await deployed({
      headers: (given) => ({ ...overwriting(given), host: "backend:8080" }),
    });
    const found = await all("--bind");
    expect(codes(found)).toEqual(["binding_origin"]);
    expect(found.get("binding_origin")?.message).toContain("takes its origin for https://backend:8080");
  });

  test("binding_cookie_changed: a proxy rewrites the short cookie, or takes it away", async () => {
    const rewriting = (change: (line: string) => string[]) => (given: IncomingHttpHeaders) => ({
      ...given,
      "set-cookie": (given["set-cookie"] ?? []).flatMap((line) =>
        line.startsWith("__Host-psession-bound=") ? change(line) : line,
      ),
    });
    const first = await deployed({
      answer: rewriting((line) => [line.replace("SameSite=Lax", "SameSite=Strict")]),
    });
    for (const values of [[], ["--bind"]]) {
      const found = await first.all(...values);
      expect(codes(found)).toContain("binding_cookie_changed");
      expect(found.get("binding_cookie_changed")?.message).toContain(
        "lacks samesite=lax, has samesite=strict",
      );
      expect(found.has("binding_not_seen")).toBe(values.length === 0);
    }
    const second = await deployed({ answer: rewriting(() => []) });
    expect((await second.all()).get("binding_cookie_changed")?.message).toContain("it is missing");
  });

  test("where the application takes the request for plain http, that alone is said", async () => {
    const { examine } = await deployed({}, { trust: false } as object);
    expect(await examine("--bind")).toEqual(["proxy_untrusted"]);
  });
});

test("binding_needs_https: at a plain http address browsers bind nothing", async () => {
  const { findings, configure, run } = await examined();
  configure({ options: "deviceBound: {}" });
  const found = await findings(["--url", await application({ deviceBound: {} })]);
  expect(found.get("binding_needs_https")?.severity).toBe("warning");
  expect(await run("doctor", "--bind")).toMatchObject({ code: 2, stderr: expect.stringContaining("--url") });
  configure();
  expect(await run("doctor", "--bind", "--url", "https://localhost:1/")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("the option deviceBound"),
  });
});

test("binding_lifetime_long: a copy counts for as long", async () => {
  const { findings, configure } = await examined();
  configure({ options: 'deviceBound: { lifetime: "12h" }' });
  expect((await findings()).get("binding_lifetime_long")?.message).toContain("12h");
  configure({ options: 'deviceBound: { lifetime: "1h" }' });
  expect(codes(await findings())).toEqual([]);
  // One that is too short for what browsers are allowed is no option at all.
  configure({ options: 'deviceBound: { lifetime: "1m" }' });
  expect((await findings()).get("options_invalid")?.message).toContain("deviceBound.lifetime");
});

test("binding_not_seen: a store that takes no made-up user", async () => {
  const { store, sql, all } = await deployed();
  expect(store.name).toBe("sqlite");
  await sql(
    "CREATE TRIGGER no_user BEFORE INSERT ON psession_sessions BEGIN SELECT RAISE(ABORT, 'no such user'); END",
  );
  const found = await all("--bind");
  expect(codes(found)).toEqual(["binding_not_seen"]);
  expect(found.get("binding_not_seen")?.remedy).toContain("foreign key");
});
