import * as devalue from "devalue";
import fc from "fast-check";
import { expect, test } from "vitest";
import { devalueCodec } from "../../src/data/devalue.ts";
import { TestBrowser, type TestSession, testApp } from "../support/app.ts";

const setUp = async (data: object) => {
  const browser = new TestBrowser(testApp());
  await browser.visit((session) => session.set(data));
  return browser;
};

test("get reads one value by key or path, and data has all of them", async () => {
  const browser = await setUp({ name: "Ada", cart: ["tea", "milk"], address: { city: "Bern" } });
  const { result, session } = await browser.visit((session) => [
    session.get("name"),
    session.get("cart.1"),
    session.get("address.city"),
    session.get("address.street"),
    session.get("missing"),
  ]);
  expect(result).toEqual(["Ada", "milk", "Bern", undefined, undefined]);
  expect(session.data).toEqual({ name: "Ada", cart: ["tea", "milk"], address: { city: "Bern" } });
});

test("set takes one value or many, by key or path", async () => {
  const browser = await setUp({ name: "Ada", count: 1 });
  await browser.visit((session) => {
    session.set("name", "Bob");
    session.set("address.city", "Bern");
    session.set({ count: 2, "address.street": "Kramgasse" });
  });
  const { session } = await browser.visit();
  expect(session.data).toEqual({ name: "Bob", count: 2, address: { city: "Bern", street: "Kramgasse" } });
});

test("has finds what is there, whatever its value", async () => {
  const browser = await setUp({ name: "", count: 0, address: { city: null } });
  const { result } = await browser.visit((session) =>
    ["name", "count", "address.city", "address.street", "missing", "toString"].map((path) =>
      session.has(path),
    ),
  );
  expect(result).toEqual([true, true, true, false, false, false]);
});

test("push adds to the end of a list, makes it where it is missing, and refuses anything else", async () => {
  const browser = await setUp({ cart: ["tea"], name: "Ada" });
  await browser.visit((session) => {
    session.push("cart", "milk", "bread");
    session.push("seen.pages", "/");
    expect(() => session.push("name", "x")).toThrow(expect.objectContaining({ code: "invalid_data" }));
  });
  const { session } = await browser.visit();
  expect(session.data).toEqual({
    cart: ["tea", "milk", "bread"],
    seen: { pages: ["/"] },
    name: "Ada",
  });
});

test("remove takes one key or many, by key or path, and ignores missing ones", async () => {
  const browser = await setUp({ name: "Ada", count: 1, address: { city: "Bern", street: "Kramgasse" } });
  await browser.visit((session) => session.remove("name", "address.street", "missing", "no.such"));
  await browser.visit((session) => session.remove("count"));
  expect((await browser.visit()).session.data).toEqual({ address: { city: "Bern" } });
});

test("no way into the session takes a key that reaches a prototype, or is psession's own", async () => {
  const browser = await setUp({ name: "Ada" });
  const ways: [string, (session: TestSession, key: string) => unknown][] = [
    ["set", (session, key) => session.set(key, { admin: true })],
    ["set of several", (session, key) => session.set(JSON.parse(`{"${key}":{"admin":true}}`))],
    ["push", (session, key) => session.push(key, { admin: true })],
    ["temp.set", (session, key) => session.temp.set(key, { admin: true }, "1m")],
    ["temp.set of several", (session, key) => session.temp.set(JSON.parse(`{"${key}":{}}`), "1m")],
    ["temp.mark", (session, key) => session.temp.mark(key, "1m")],
    ["temp.unmark", (session, key) => session.temp.unmark(key)],
    ["flash.set", (session, key) => session.flash.set(key, { admin: true })],
    ["flash.set of several", (session, key) => session.flash.set(JSON.parse(`{"${key}":{}}`))],
    ["flash.now", (session, key) => session.flash.now(key, { admin: true })],
    ["flash.mark", (session, key) => session.flash.mark(key)],
    ["flash.unmark", (session, key) => session.flash.unmark(key)],
    [
      "carry",
      (session, key) => session.login("ada", { carry: () => JSON.parse(`{"${key}":{"admin":true}}`) }),
    ],
  ];
  for (const key of ["__proto__", "constructor", "prototype", "psession:csrf"]) {
    for (const [name, use] of ways) {
      const { session } = await browser.visit(async (session) => {
        const call = async () => use(session, key);
        await expect(call(), `${name} ${key}`).rejects.toMatchObject({ code: "invalid_data" });
      });
      expect(Object.getPrototypeOf(session.data)).toBe(Object.prototype);
      expect((await browser.visit()).session.data).toEqual({ name: "Ada" });
    }
  }
});

test("a prototype that an assignment put in place is refused when it is saved", async () => {
  const browser = await setUp({ name: "Ada", address: { city: "Bern" }, list: [{}] });
  for (const at of ["", "address", "list", "list.0"]) {
    const visit = browser.visit((session) => {
      const value = at === "" ? session.data : (session.get(at) as Record<string, unknown>);
      const key: string = "__proto__";
      value[key] = { admin: true };
    });
    await expect(visit, at).rejects.toMatchObject({ code: "invalid_data" });
  }
});

test("a list takes nothing but its places and the next one, at every step of a path", async () => {
  const browser = await setUp({ cart: { items: [{ qty: 1 }, { qty: 2 }] }, "20": {} });
  const started = performance.now();
  await browser.visit((session) => {
    const keys = ["20000000", "100000000", "4294967294", "3", "-1", "1e3", "1e0", "01", "length", " 1", "+1"];
    for (const key of [...keys, "0x1", "1n", "x", "at"]) {
      for (const path of [`cart.items.${key}`, `cart.items.${key}.qty`, `cart.items.0.list.${key}.x`]) {
        session.set("cart.items.0.list", []);
        const set = () => session.set(path, 1);
        const push = () => session.push(path, 1);
        expect(set, path).toThrow(expect.objectContaining({ code: "invalid_data" }));
        expect(push, path).toThrow(expect.objectContaining({ code: "invalid_data" }));
        session.remove(path);
        expect(session.pull(path), path).toBeUndefined();
      }
    }
    for (const path of ["cart.items.", "cart..items", ".", ""]) {
      for (const use of [() => session.set(path, 1), () => session.push(path, 1)]) {
        expect(use, path).toThrow(expect.objectContaining({ code: "invalid_data" }));
      }
    }
    session.remove("cart.items.0.list");
    session.set("cart.items.2.qty", 3);
    session.set("cart.items.0.qty", 5);
    session.push("cart.items.1.tags", "new");
    session.set("20.30.-1", "a key is what it is in an object");
    session.set("20.length", 7);
  });
  expect((await browser.visit()).session.data).toEqual({
    cart: { items: [{ qty: 5 }, { qty: 2, tags: ["new"] }, { qty: 3 }] },
    "20": { "30": { "-1": "a key is what it is in an object" }, length: 7 },
  });
  expect(performance.now() - started).toBeLessThan(2000);
});

test("a path deeper than data may be is refused before anything is made", async () => {
  const browser = await setUp({ name: "Ada" });
  await browser.visit((session) => {
    const path = Array(100_000).fill("a").join(".");
    expect(() => session.set(path, 1)).toThrow(/64 levels/);
    expect(() => session.push(path, 1)).toThrow(/64 levels/);
    expect([session.get(path), session.pull(path)]).toEqual([undefined, undefined]);
  });
  expect((await browser.visit()).session.data).toEqual({ name: "Ada" });
});

const OWN_CODEC = {
  encode: (data: object) => JSON.stringify(data),
  decode: (text: string) => JSON.parse(text),
};
for (const [name, codec] of [
  ["JSON", undefined],
  ["devalue", devalueCodec(devalue)],
  ["a codec that checks nothing", OWN_CODEC],
] as const) {
  test(`a list with holes is refused at once, with ${name}`, async () => {
    const browser = new TestBrowser(testApp(codec === undefined ? {} : { session: { codec } }));
    await browser.visit((session) => session.set({ list: ["a", "b"], deep: [{ list: [1] }] }));
    const list = (session: TestSession) => session.get("list") as unknown[];
    const holes: ((session: TestSession) => unknown)[] = [
      (session) => Object.assign(list(session), { 5: "x" }),
      (session) => Object.assign(list(session), { length: 1e9 }),
      (session) => Object.assign(list(session), { 4e9: "x" }),
      (session) => Object.assign(session.get("deep.0.list") as unknown[], { length: 4e9 }),
      (session) => delete list(session)[0],
      (session) => Object.assign(session.data, { made: new Array(3) }),
      (session) => Object.assign(session.data, { made: { here: Object.assign([], { 1: 1 }) } }),
    ];
    const started = performance.now();
    for (const make of holes) {
      const early = browser.visit(async (session) => {
        make(session);
        await session.save();
      });
      await expect(early).rejects.toThrow(/hole/);
      await expect(browser.visit((session) => void make(session))).rejects.toThrow(/hole/);
      const update = browser.visit((session) => session.update(() => void make(session)));
      await expect(update).rejects.toThrow(/hole/);
      const signIn = browser.visit(async (session) => {
        make(session);
        await session.login("ada");
      });
      await expect(signIn).rejects.toThrow(/hole/);
    }
    expect(performance.now() - started).toBeLessThan(2000);
    expect((await browser.visit()).session.data).toEqual({ list: ["a", "b"], deep: [{ list: [1] }] });
  });
}

test("values that JSON would change are refused when they are set, and at the latest when they are saved", async () => {
  const browser = await setUp({ name: "Ada", list: [1] });
  class Money {
    amount = 1;
  }
  class Titles extends Array {}
  const named = Object.assign([1], { total: 1 });
  const hidden = Object.defineProperty({ a: 1 }, "toJSON", { value: () => "other" });
  const strange: [unknown, RegExp][] = [
    [new Date(0), /is a Date, .*getTime\(\).*psession\/devalue/],
    [{ toJSON: () => 1 }, /toJSON/],
    [hidden, /toJSON/],
    [new Money(), /is a Money, .*plain object/],
    [new (class {})(), /class/],
    [[undefined], /\[0\] is undefined.*null/],
    [Object.assign([1], { 2: 2 }), /\[1\] is a hole/],
    [{ [Symbol("x")]: 1 }, /symbol/],
    [() => 1, /function/],
    [Symbol("x"), /symbol/],
    [1n, /bigint/],
    [Object(1n), /BigInt/],
    [new Number(1), /a Number/],
    [new String("x"), /a String/],
    [new Boolean(false), /a Boolean/],
    [new Uint8Array(2), /Uint8Array/],
    [Buffer.from("x"), /Buffer/],
    [new ArrayBuffer(2), /ArrayBuffer/],
    [new Map(), /Map/],
    [new Set(), /Set/],
    [/x/, /RegExp/],
    [new Error("x"), /Error/],
    [new URL("https://a.example"), /URL/],
    [Promise.resolve(1), /Promise/],
    [Number.NaN, /NaN/],
    [Number.POSITIVE_INFINITY, /Infinity/],
    [new Titles(), /Titles/],
    [named, /"total"/],
    ["aXb".match(/X/), /"index"/],
  ];
  for (const [value, words] of strange) {
    const refused = expect.objectContaining({ code: "invalid_data", message: expect.stringMatching(words) });
    await browser.visit((session) => {
      const { temp, flash } = session;
      expect(() => session.set("a.b", value)).toThrow(refused);
      expect(() => session.set("a.b", value)).toThrow(/session\.data\.a\.b/);
      expect(() => session.set({ a: { b: value } })).toThrow(refused);
      expect(() => session.push("list", value)).toThrow(refused);
      expect(() => temp.set("code", value, "1m")).toThrow(refused);
      expect(() => temp.set({ code: [value] }, "1m")).toThrow(/session\.temp\.code\[0\]/);
      expect(() => flash.set("notice", { value })).toThrow(/session\.flash\.notice\.value/);
    });
    const visits = [
      browser.visit((session) => Object.assign(session.data, { x: value })),
      browser.visit((session) => Object.assign(session.data, { x: { deep: [{ value }] } })),
      browser.visit((session) => session.update((data) => Object.assign(data, { x: value }))),
      browser.visit((session) => session.login("ada", { carry: () => ({ x: value }) })),
    ];
    for (const visit of visits) await expect(visit).rejects.toThrow(refused);
    await browser.visit(async (session) => {
      session.data["x"] = value;
      await expect(session.save()).rejects.toThrow(refused);
      session.remove("x");
    });
  }
  const late = browser.visit((session) => {
    const holder: Record<string, unknown> = {};
    session.flash.set("notice", holder);
    holder["when"] = new Date();
  });
  await expect(late).rejects.toThrow("session.flash.notice.when is a Date");
  expect((await browser.visit()).session.data).toEqual({ name: "Ada", list: [1] });
});

test("values that JSON keeps are kept, and a key whose value is undefined counts as missing", async () => {
  const browser = await setUp({ name: "Ada" });
  const bare = Object.assign(Object.create(null), { a: [] });
  const shared = { b: 1 };
  const getter = {
    get total() {
      return 5;
    },
  };
  await browser.visit((session) => {
    session.set({ bare, getter, one: shared, two: [shared, shared], text: "\ud800", nothing: null });
    session.set("gone", undefined);
    session.set("inside", { gone: undefined, zero: -0 });
  });
  expect((await browser.visit()).session.data).toEqual({
    name: "Ada",
    bare: { a: [] },
    getter: { total: 5 },
    one: shared,
    two: [shared, shared],
    text: "\ud800",
    nothing: null,
    inside: { zero: 0 },
  });
});

test("whatever is refused or not, stored data comes back as it was", async () => {
  const app = testApp();
  const values = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
    withBoxedValues: true,
    withNullPrototype: true,
  });
  await fc.assert(
    fc.asyncProperty(values, async (value) => {
      const browser = new TestBrowser(app);
      const direct = browser.visit((session) => Object.assign(session.data, { x: value }));
      const isStored = await direct.then(
        () => true,
        (error) => {
          expect(error).toMatchObject({ code: "invalid_data" });
          return false;
        },
      );
      let isSet = true;
      await new TestBrowser(app).visit((session) => {
        try {
          session.set("x", value);
        } catch {
          isSet = false;
        }
      });
      expect(isSet).toBe(isStored);
      if (isStored) expect((await browser.visit()).session.data["x"]).toEqual(plain(value));
    }),
    { numRuns: 300 },
  );
});

/** `toEqual` takes -0 and 0 for two numbers. */
function plain(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
