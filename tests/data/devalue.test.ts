import * as devalue from "devalue";
import { expect, test } from "vitest";
import { devalueCodec } from "../../src/data/devalue.ts";
import { TestBrowser, testApp } from "../support/app.ts";

const codec = devalueCodec(devalue);
const setUp = () => new TestBrowser(testApp({ session: { codec } }));

test("dates, maps, sets and bigints come back as they were", async () => {
  const browser = setUp();
  const since = new Date(Date.UTC(2030, 0, 1));
  const data = {
    since,
    prices: new Map([["tea", 3n]]),
    seen: new Set([1, 2]),
    nested: { list: [undefined, -0] },
  };
  await browser.visit((session) => session.set(data));
  expect((await browser.visit()).session.data).toEqual(data);
});

test("changes in place are found, and parallel ones merged", async () => {
  const browser = setUp();
  await browser.visit((session) => session.set({ one: new Map(), two: new Set() }));
  const [a, b] = await Promise.all([browser.open(), browser.open()]);
  (a.session.data["one"] as Map<string, number>).set("a", 1);
  (b.session.data["two"] as Set<string>).add("b");
  await Promise.all([a.answer(), b.answer()]);
  expect((await browser.visit()).session.data).toEqual({ one: new Map([["a", 1]]), two: new Set(["b"]) });
});

test("flash and temp values go through the codec as well", async () => {
  const browser = setUp();
  await browser.visit((session) => {
    session.flash.set("when", new Date(5));
    session.temp.set("code", 7n, "1m");
  });
  const { session, result } = await browser.visit((session) => session.flash.get("when"));
  expect([result, session.temp.get("code")]).toEqual([new Date(5), 7n]);
});

test("what cannot come back, or reaches a prototype, is refused", async () => {
  const browser = setUp();
  class Money {}
  const hostile = JSON.parse('{"a":{"__proto__":{"admin":true}}}');
  let deep: unknown = 1;
  for (let level = 0; level < 100; level++) deep = { deep };
  for (const value of [new Money(), () => 1, hostile, new Map([["x", hostile]]), deep]) {
    const visit = browser.visit((session) => session.set("value", value));
    await expect(visit).rejects.toMatchObject({ code: "invalid_data" });
  }
});

test("a path leads through lists and plain objects only", async () => {
  const browser = setUp();
  await browser.visit((session) => {
    session.set({ map: new Map([["a", 1]]), bytes: new Uint8Array(2), when: new Date(5), set: new Set() });
    for (const path of ["map.a", "map.size", "bytes.0", "bytes.9", "when.x", "set.add", "map.a.b"]) {
      expect(() => session.set(path, 1), path).toThrow(/leads through a (Map|Uint8Array|Date|Set)/);
      session.remove(path);
    }
  });
  expect((await browser.visit()).session.data).toEqual({
    map: new Map([["a", 1]]),
    bytes: new Uint8Array(2),
    when: new Date(5),
    set: new Set(),
  });
});

test("holes are found inside maps and sets, and cycles end", async () => {
  const browser = setUp();
  const circle: Record<string, unknown> = { name: "Ada" };
  circle["self"] = circle;
  await browser.visit((session) => session.set({ circle }));
  const holes = new Array(1e9);
  for (const value of [new Map([["x", holes]]), new Set([holes]), new Map([[holes, 1]])]) {
    await expect(browser.visit((session) => session.set("value", value))).rejects.toThrow(/hole/);
    await expect(browser.visit((session) => Object.assign(session.data, { value }))).rejects.toThrow(/hole/);
  }
  const { session } = await browser.visit();
  expect(session.get("circle.self.self.name")).toBe("Ada");
});

test("stored text that is damaged or hostile is an error, not a session", () => {
  for (const text of ["", "{", "[]", "5", '[{"a":1},{"__proto__":2},3]', '[["Map",1,2],"a","b"]']) {
    expect(() => codec.decode(text), text).toThrow(expect.objectContaining({ code: "invalid_data" }));
  }
});
