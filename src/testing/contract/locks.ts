import assert from "node:assert/strict";
import { locksOf } from "../../stores/locks.ts";
import type { LockRequest, Store } from "../../stores/store.ts";
import { T0 } from "../rows.ts";
import { atOnce, type Cases, done, save } from "./fixture.ts";

export const locks: Cases = {
  "a lock has one owner at a time": async ({ store, all }) => {
    const fences = await atOnce(all, 20, (from, index) =>
      locksOf(from).acquire(request("a", `owner ${index}`, T0)),
    );
    const owner = fences.findIndex((fence) => fence !== undefined);
    assert.equal(fences.filter((fence) => fence !== undefined).length, 1);
    await locksOf(store).release("a", "somebody else");
    assert.equal(await locksOf(store).acquire(request("a", "next", T0)), undefined);
    await locksOf(store).release("a", `owner ${owner}`);
    assert.notEqual(await locksOf(store).acquire(request("a", "next", T0)), undefined);
  },

  "names of locks are compared exactly, and locks of other names are not in the way": async ({ store }) => {
    const long = "l".repeat(149);
    const shown = (name: string) => JSON.stringify(name);
    const names = [
      "a",
      "A",
      "a ",
      "a  ",
      " a",
      "a\u00a0",
      "\u00e9",
      "e\u0301",
      "\u{1f6d2}",
      `${long}1`,
      `${long}2`,
    ];
    for (const [index, name] of names.entries())
      assert.notEqual(
        await locksOf(store).acquire(request(name, `owner-${index}`, T0)),
        undefined,
        shown(name),
      );
    for (const name of names)
      assert.equal(await locksOf(store).acquire(request(name, "late", T0)), undefined, shown(name));
    await locksOf(store).release("a ", "owner-0");
    assert.equal(await locksOf(store).acquire(request("a ", "late", T0)), undefined);
    await locksOf(store).release("a ", "owner-2");
    assert.equal(await locksOf(store).acquire(request("a", "late", T0)), undefined);
    assert.notEqual(await locksOf(store).acquire(request("a ", "late", T0)), undefined);
  },

  "fences grow by name, and are never below the time of the taking": async ({ store }) => {
    const take = async (name: string, now: number) => {
      const fence = await locksOf(store).acquire(request(name, "one", now));
      await locksOf(store).release(name, "one");
      assert.ok(fence !== undefined && fence >= now, `${name} at ${now}: ${fence}`);
      return fence;
    };
    const first = await take("a", T0);
    const second = await take("a", T0);
    await take("b", T0);
    const third = await take("a", T0);
    assert.ok(first < second && second < third);
    assert.ok((await take("a", T0 + 5000)) > third);
  },

  "a lock that was never given back ends by itself, and the next owner gets a greater fence": async ({
    store,
  }) => {
    const first = await locksOf(store).acquire(request("a", "first", T0));
    assert.equal(await locksOf(store).acquire(request("a", "second", T0 + HOLD - 1)), undefined);
    const second = await locksOf(store).acquire(request("a", "second", T0 + HOLD));
    assert.ok(first !== undefined && second !== undefined && second > first);
    await locksOf(store).release("a", "first");
    assert.equal(await locksOf(store).acquire(request("a", "third", T0 + HOLD)), undefined);
    await locksOf(store).release("a", "second");
    const third = await locksOf(store).acquire(request("a", "third", T0));
    assert.ok(third !== undefined && third > second, "a clock that is behind gives no smaller fence");
  },

  "a counter behind a lock loses nothing": async ({ store, all, stored }) => {
    const row = await stored.anonymous({ data: "0" });
    const increment = async (from: Store, owner: string): Promise<void> => {
      for (
        let tries = 0;
        (await locksOf(from).acquire(request("counter", owner, T0))) === undefined;
        tries++
      ) {
        assert.ok(tries < MOST_TRIES, "a lock that was given back is to be had");
        await new Promise(setImmediate);
      }
      const found = await from.findSession(row.id);
      const data = String(Number(found?.data) + 1);
      await done(from.apply(save(row, { data }, found?.version ?? 0)));
      await locksOf(from).release("counter", owner);
    };
    await atOnce(all, 8, (from, index) => increment(from, `owner ${index}`));
    assert.equal((await store.findSession(row.id))?.data, "8");
  },
};

const HOLD = 1000;
/** Far more than eight owners in turn need. */
const MOST_TRIES = 20_000;

const request = (name: string, owner: string, now: number): LockRequest => ({
  name,
  owner,
  now,
  until: now + HOLD,
});
