import { describe, expect, test } from "vitest";
import { PsessionError } from "../../src/index.ts";
import { Batch, type BatchOptions } from "../../src/stores/batch.ts";

/** A load that the test answers, one call at a time. */
function controlled(options?: BatchOptions) {
  const loads: { keys: readonly string[]; answer(): void; fail(error: unknown): void }[] = [];
  const load = (keys: readonly string[]) =>
    new Promise<ReadonlyMap<string, string>>((resolve, reject) => {
      const answer = () => resolve(new Map(keys.map((key) => [key, `value of ${key}`])));
      loads.push({ keys, answer, fail: reject });
    });
  return { batch: new Batch<string, string>(load, options), loads };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));
const keysOf = (loads: readonly { keys: readonly string[] }[]) => loads.map(({ keys }) => keys);

describe("reads of one tick", () => {
  test("go out as one load, each key once", async () => {
    const { batch, loads } = controlled();
    const values = Promise.all(["a", "b", "a", "c"].map((key) => batch.get(key)));
    await tick();
    expect(keysOf(loads)).toEqual([["a", "b", "c"]]);
    loads[0]?.answer();
    expect(await values).toEqual(["value of a", "value of b", "value of a", "value of c"]);
  });

  test("a lone read goes out at once; after a shared load, the next waits a turn for others", async () => {
    const { batch, loads } = controlled();
    const alone = batch.get("a");
    await Promise.resolve();
    expect(keysOf(loads)).toEqual([["a"]]);
    const together = [batch.get("b"), batch.get("c")];
    await tick();
    expect(keysOf(loads)).toEqual([["a"], ["b", "c"]]);
    for (const load of loads) load.answer();
    await Promise.all([alone, ...together]);
    const next = batch.get("d");
    await Promise.resolve();
    const late = batch.get("e");
    await tick();
    expect(keysOf(loads).slice(2)).toEqual([["d", "e"]]);
    loads[2]?.answer();
    expect(await Promise.all([next, late])).toEqual(["value of d", "value of e"]);
  });

  test("a key without a value is undefined", async () => {
    const batch = new Batch<string, string>(async () => new Map([["there", "value"]]));
    expect(await Promise.all([batch.get("there"), batch.get("missing")])).toEqual(["value", undefined]);
  });

  test("no load has more keys than allowed", async () => {
    const { batch, loads } = controlled({ most: 2, inFlight: 3 });
    const values = Promise.all(["a", "b", "c", "d", "e"].map((key) => batch.get(key)));
    await tick();
    expect(keysOf(loads)).toEqual([["a", "b"], ["c", "d"], ["e"]]);
    for (const load of loads) load.answer();
    expect((await values).at(-1)).toBe("value of e");
  });
});

describe("while loads are under way", () => {
  test("a read of the same key is not answered by a load that was sent before it", async () => {
    const { batch, loads } = controlled();
    const before = batch.get("a");
    await tick();
    const after = batch.get("a");
    await tick();
    expect(keysOf(loads)).toEqual([["a"], ["a"]]);
    loads[0]?.answer();
    await before;
    loads[1]?.answer();
    expect(await after).toBe("value of a");
  });

  test("at most two are sent; what comes meanwhile goes together with the next", async () => {
    const { batch, loads } = controlled();
    const first = batch.get("a");
    await tick();
    const second = batch.get("b");
    await tick();
    const third = batch.get("c");
    await tick();
    const fourth = batch.get("d");
    await tick();
    expect(keysOf(loads)).toEqual([["a"], ["b"]]);
    loads[1]?.answer();
    await second;
    expect(keysOf(loads)).toEqual([["a"], ["b"], ["c", "d"]]);
    loads[2]?.answer();
    expect(await Promise.all([third, fourth])).toEqual(["value of c", "value of d"]);
    loads[0]?.answer();
    expect(await first).toBe("value of a");
  });

  test("those that wait are sent in the order they came in", async () => {
    const { batch, loads } = controlled({ most: 1, inFlight: 1 });
    const values = Promise.all(["a", "b", "c"].map((key) => batch.get(key)));
    for (let sent = 0; sent < 3; sent++) {
      await tick();
      expect(loads).toHaveLength(sent + 1);
      loads[sent]?.answer();
    }
    expect(await values).toEqual(["value of a", "value of b", "value of c"]);
    expect(keysOf(loads)).toEqual([["a"], ["b"], ["c"]]);
  });

  test("a load gets the time since when its first caller waits", async () => {
    const told: number[] = [];
    const ends: (() => void)[] = [];
    const batch = new Batch<string, string>(
      async (_, since) => {
        told.push(since);
        await new Promise<void>((resolve) => ends.push(resolve));
        return new Map();
      },
      { inFlight: 1 },
    );
    const first = batch.get("a");
    await tick();
    const asked = performance.now();
    const second = batch.get("b");
    ends[0]?.();
    await first;
    const sent = performance.now();
    ends[1]?.();
    await second;
    expect(told[1]).toBeGreaterThanOrEqual(asked);
    expect(told[1]).toBeLessThanOrEqual(sent);
  });
});

describe("a load that fails", () => {
  test("fails its own callers only", async () => {
    const { batch, loads } = controlled();
    const first = batch.get("a");
    await tick();
    const second = batch.get("b");
    await tick();
    loads[0]?.fail(new Error("broken"));
    await expect(first).rejects.toThrow("broken");
    loads[1]?.answer();
    expect(await second).toBe("value of b");
  });

  test("is tried key by key, so that one bad key fails alone", async () => {
    const asked: (readonly string[])[] = [];
    const batch = new Batch<string, string>(async (keys) => {
      asked.push(keys);
      if (keys.includes("bad")) throw new Error("bad key");
      return new Map(keys.map((key) => [key, key]));
    });
    const results = await Promise.allSettled(["a", "bad", "b", "bad"].map((key) => batch.get(key)));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected"]);
    expect(asked).toEqual([["a", "bad", "b"], ["a"], ["bad"], ["b"]]);
    expect(await batch.get("a")).toBe("a");
  });

  test("is not tried again where the whole store is down", async () => {
    let loads = 0;
    const batch = new Batch<string, string>(async () => {
      loads++;
      throw new PsessionError("store_unavailable", "down");
    });
    const results = await Promise.allSettled(["a", "b"].map((key) => batch.get(key)));
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    expect(loads).toBe(1);
  });

  test("a load that throws at once is no different, and the next one goes out", async () => {
    let isDown = true;
    const batch = new Batch<string, string>((keys) => {
      if (isDown) throw new Error("down");
      return Promise.resolve(new Map(keys.map((key) => [key, key])));
    });
    await expect(batch.get("a")).rejects.toThrow("down");
    isDown = false;
    expect(await batch.get("a")).toBe("a");
  });
});

test("ten thousand reads at once all get their own answer", async () => {
  let most = 0;
  let running = 0;
  const batch = new Batch<string, string>(async (keys) => {
    most = Math.max(most, ++running);
    await tick();
    running--;
    return new Map(keys.map((key) => [key, `value of ${key}`]));
  });
  const keys = Array.from({ length: 10_000 }, (_, index) => `key ${index}`);
  expect(await Promise.all(keys.map((key) => batch.get(key)))).toEqual(keys.map((key) => `value of ${key}`));
  expect(most).toBe(2);
});
