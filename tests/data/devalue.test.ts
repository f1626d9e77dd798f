import * as devalue from "devalue";
import { expect, test } from "vitest";
import { devalueCodec } from "../../src/codecs/devalue/index.ts";
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

test("stored text that is damaged or hostile is an error, not a session", () => {
  for (const text of ["", "{", "[]", "5", '[{"a":1},{"__proto__":2},3]', '[["Map",1,2],"a","b"]']) {
    expect(() => codec.decode(text), text).toThrow(expect.objectContaining({ code: "invalid_data" }));
  }
});
