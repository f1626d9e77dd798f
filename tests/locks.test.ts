import { expect, test } from "vitest";
import { memoryStore } from "../src/index.ts";
import { Locks } from "../src/upkeep/locks.ts";
import { testApp } from "./support/app.ts";
import { TestClock } from "./support/clock.ts";
import { describeStores } from "./support/session-stores.ts";
import { counted, intercepted } from "./support/stores.ts";

const LIMITS = { hold: 60_000, wait: 30_000 };

describeStores("locks on", (makeStore) => {
  test("callers in one process and in others go one by one, each with a higher fence", async () => {
    const store = makeStore();
    const clock = new TestClock();
    const processes = [new Locks(store, clock), new Locks(store, clock), new Locks(store, clock)];
    let inside = 0;
    const fences: number[] = [];
    const visit = async (locks: Locks) => {
      const lock = await locks.take("cart", LIMITS);
      inside++;
      expect(inside).toBe(1);
      fences.push(lock.fence);
      await store.findSession("somebody");
      inside--;
      await lock.release();
    };
    await Promise.all(processes.flatMap((locks) => Array.from({ length: 10 }, () => visit(locks))));
    expect(fences).toHaveLength(30);
    expect(fences).toEqual([...fences].sort((a, b) => a - b));
    expect(new Set(fences).size).toBe(30);
  });

  test("callers wait for a dead holder until its lock expires, and no longer", async () => {
    const store = makeStore();
    const clock = new TestClock();
    await new Locks(store, clock).take("cart", LIMITS);
    const others = new Locks(store, clock);
    await expect(others.take("cart", { ...LIMITS, wait: 20 })).rejects.toMatchObject({
      code: "lock_timeout",
      status: 503,
    });
    clock.advance(LIMITS.hold);
    const lock = await others.take("cart", LIMITS);
    await lock.release();
  });
});

test("within a process callers keep their order, and the store is asked once for each", async () => {
  const { store, calls } = counted(memoryStore());
  const locks = new Locks(store, new TestClock());
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const lock = await locks.take("cart", LIMITS);
      order.push(index);
      await lock.release();
    }),
  );
  expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index));
  expect(calls.filter((call) => call === "acquireLock")).toHaveLength(20);
});

test("a caller that times out leaves the queue in order, and names are independent", async () => {
  const locks = new Locks(memoryStore(), new TestClock());
  const first = await locks.take("cart", LIMITS);
  const impatient = locks.take("cart", { ...LIMITS, wait: 1 });
  const patient = locks.take("cart", LIMITS);
  await expect(impatient).rejects.toMatchObject({ code: "lock_timeout" });
  await (await locks.take("other", LIMITS)).release();
  await first.release();
  await (await patient).release();
});

test("a store that fails does not leave the queue blocked", async () => {
  let isDown = true;
  const store = intercepted(memoryStore(), async (_, call) => {
    if (isDown) throw new Error("down");
    return call();
  });
  const locks = new Locks(store, new TestClock());
  await expect(locks.take("cart", LIMITS)).rejects.toThrow("down");
  isDown = false;
  await (await locks.take("cart", LIMITS)).release();
});

test("an application's lock has limits of its own, which are checked", async () => {
  const { psession } = testApp();
  const lock = await psession.lock("invoice 7");
  await expect(psession.lock("invoice 7", { wait: 1 })).rejects.toMatchObject({ code: "lock_timeout" });
  await lock.release();
  await (await psession.lock("invoice 7", { hold: "1m", wait: "5s" })).release();
  await expect(psession.lock("", { hold: "soon" as never, wait: "2d" })).rejects.toThrow(
    /name must be text.*\n.*hold must be.*\n.*wait must be/,
  );
});

test("a holder that hangs holds up its own process no longer than others", async () => {
  const store = memoryStore();
  const clock = new TestClock();
  const locks = new Locks(store, clock);
  await locks.take("cart", { hold: 20, wait: 1000 });
  const next = locks.take("cart", { hold: 20, wait: 30_000 });
  clock.advance(20);
  await (await next).release();
});
