import { describe, expect, test } from "vitest";
import { jsonCodec } from "../../src/data/codec.ts";
import { getPath, removePath, setPath } from "../../src/data/paths.ts";
import { assertStorable } from "../../src/data/storable.ts";
import { TrackedData } from "../../src/data/tracked-data.ts";

const loaded = (data: object, maxBytes = 1000) => new TrackedData(jsonCodec, maxBytes, JSON.stringify(data));

describe("changes", () => {
  test("are found by content, however deep, and only if there are any", () => {
    const data = loaded({ cart: { items: [1] } });
    expect(data.changed()).toBeUndefined();
    const cart = data.value["cart"] as { items: number[] };
    expect(data.changed()).toBeUndefined();
    cart.items.push(2);
    expect(data.changed()).toBe('{"cart":{"items":[1,2]}}');
    cart.items.pop();
    expect(data.changed()).toBeUndefined();
  });

  test("are put onto fresh data key by key", () => {
    const data = loaded({ a: 1, b: 1, c: 1, d: 1 });
    const held = data.value;
    held["a"] = 2;
    delete held["b"];
    held["e"] = [];
    expect(data.rebase(JSON.stringify({ a: 1, b: 1, c: 5, f: 6 }))).toEqual([]);
    expect(data.value).toBe(held);
    expect(held).toEqual({ a: 2, c: 5, e: [], f: 6 });
    expect(JSON.parse(data.changed() ?? "")).toEqual({ a: 2, c: 5, f: 6, e: [] });
  });

  test("of one key on both sides are reported, and this request's win", () => {
    const data = loaded({ a: 1, b: 1 });
    Object.assign(data.value, { a: 2, b: 3 });
    expect(data.rebase('{"a":9,"b":3}')).toEqual(["a"]);
    expect(data.value).toEqual({ a: 2, b: 3 });
  });

  test("a reset forgets what was loaded", () => {
    const data = loaded({ a: 1 });
    const held = data.value;
    data.reset();
    expect(held).toEqual({});
    expect(data.changed()).toBeUndefined();
  });
});

describe("limits", () => {
  test("more bytes than allowed are refused, written or read", () => {
    const data = loaded({}, 50);
    data.value["text"] = "ü".repeat(30);
    expect(() => data.changed()).toThrow(expect.objectContaining({ code: "data_too_large" }));
    const oversized = new TrackedData(jsonCodec, 10, JSON.stringify({ text: "x".repeat(100) }));
    expect(() => oversized.value).toThrow(expect.objectContaining({ code: "data_too_large" }));
  });

  test("values that would not come back are refused, and their path is named", () => {
    class Money {}
    const strange: [unknown, string][] = [
      [new Map(), "Map"],
      [new Set(), "Set"],
      [new Money(), "Money"],
      [Number.NaN, "NaN"],
      [() => {}, "function"],
      [Symbol("x"), "symbol"],
      [1n, "bigint"],
    ];
    for (const [value, name] of strange) {
      expect(() => assertStorable({ list: [{ deep: value }] })).toThrow(`session.data.list[0].deep is`);
      expect(() => assertStorable(value)).toThrow(name);
    }
    assertStorable({ nothing: null, missing: undefined, list: [1, "a", true] });
  });

  test("circular and very deep data is refused with an error that helps", () => {
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    expect(() => jsonCodec.encode(circle)).toThrow(expect.objectContaining({ code: "invalid_data" }));
    let deep: Record<string, unknown> = {};
    for (let level = 0; level < 100; level++) deep = { deep };
    expect(() => assertStorable(deep)).toThrow("nested deeper");
  });

  test("keys that reach a prototype are refused at every depth, written or read", () => {
    for (const key of ["__proto__", "constructor", "prototype"]) {
      const hostile = JSON.parse(`{"a":[{"${key}":{"polluted":true}}]}`);
      expect(() => assertStorable(hostile)).toThrow(key);
      expect(() => jsonCodec.decode(JSON.stringify(hostile))).toThrow(key);
      expect(() => setPath({}, `a.${key}.b`, 1)).toThrow(key);
      expect(() => getPath({}, key)).toThrow(key);
    }
    expect(() => jsonCodec.decode('{"\\u005f_proto__":{}}')).toThrow("__proto__");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("stored text that is no object is an error with its cause", () => {
    for (const text of ["", "{", "[]", "null", "7"]) {
      expect(() => jsonCodec.decode(text)).toThrow(expect.objectContaining({ code: "invalid_data" }));
    }
  });
});

describe("paths", () => {
  test("lead through own properties, and make the objects on the way", () => {
    const data = {};
    setPath(data, "user.address.city", "Bern");
    expect(data).toEqual({ user: { address: { city: "Bern" } } });
    expect(getPath(data, "user.address.city")).toBe("Bern");
    expect(getPath(data, "user.toString")).toBeUndefined();
    expect(getPath({ list: ["a", "b"] }, "list.1")).toBe("b");
    expect(() => setPath({ a: 1 }, "a.b", 2)).toThrow("not an object");
    expect(() => getPath({}, "a..b")).toThrow("no path");
  });

  test("name places in lists only", () => {
    const data = { list: ["a"] };
    setPath(data, "list.1", "b");
    expect(data.list).toEqual(["a", "b"]);
    for (const path of ["list.length", "list.3", "list.name", "list.-1"]) {
      expect(() => setPath(data, path, 1)).toThrow("no place in a list");
    }
  });

  test("remove what they lead to, and leave alone what is not there", () => {
    const data = { a: { b: 1, c: 2 }, list: ["x", "y", "z"] };
    removePath(data, "a.b");
    removePath(data, "list.1");
    removePath(data, "no.such.thing");
    expect(data).toEqual({ a: { c: 2 }, list: ["x", "z"] });
  });
});
