import { describe, expect, test } from "vitest";
import { NO_REALM, newId } from "../../src/protocol/secrets.ts";
import { type ConditionalDatabase, optimistic, type Range, storeOver } from "../../src/stores/index.ts";
import { entry } from "../../src/testing/contract/audit.ts";
import {
  digestOf,
  rememberedRow,
  type StoreFixture,
  sessionRow,
  storeContract,
} from "../../src/testing/contracts.ts";
import { crowdIn } from "../support/crowd.ts";

/** Answers later, as a database on the network does, and lets whatever else waits go first. */
const later = <T>(answer: () => T): Promise<T> => new Promise((done) => setImmediate(() => done(answer())));

/** Text by key, in memory: what a database is to the kit, slower. */
class Remote implements ConditionalDatabase {
  readonly #values = new Map<string, string>();

  get(key: string) {
    return later(() => this.#values.get(key));
  }

  range({ prefix, after = "", before, isReverse = false, limit }: Range) {
    return later(() => {
      const keys = [...this.#values.keys()]
        .filter((key) => key.startsWith(prefix) && key > after && (before === undefined || key < before))
        .sort();
      if (isReverse) keys.reverse();
      return keys.slice(0, limit).map((key) => [key, this.#values.get(key) ?? ""] as const);
    });
  }

  commit(seen: ReadonlyMap<string, string | undefined>, writes: ReadonlyMap<string, string | undefined>) {
    return later(() => {
      for (const [key, value] of seen) if (this.#values.get(key) !== value) return false;
      this.write(writes);
      return true;
    });
  }

  write(writes: ReadonlyMap<string, string | undefined>): void {
    for (const [key, value] of writes) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
  }
}

describe("store contract: over a database that writes on conditions", () => {
  const open = async (): Promise<StoreFixture> => {
    const remote = new Remote();
    const connect = () => storeOver({ name: "remote", audit: true, transaction: optimistic(remote) });
    return { store: connect(), others: [connect(), connect()], close: async () => {} };
  };
  for (const { name, run } of storeContract(open)) test(name, crowdIn(name), run);
});

describe("store contract: over a database whose transactions wait for each other", () => {
  const open = async (): Promise<StoreFixture> => {
    const remote = new Remote();
    let turn: Promise<unknown> = Promise.resolve();
    const connect = () =>
      storeOver({
        name: "remote",
        audit: true,
        transaction(work) {
          const writes = new Map<string, string | undefined>();
          const mine = turn.then(async () => {
            const result = await work({
              get: (key) => remote.get(key),
              range: (range) => remote.range(range),
              put: (key, value) => void writes.set(key, value),
              delete: (key) => void writes.set(key, undefined),
            });
            remote.write(writes);
            return result;
          });
          turn = mine.catch(() => {});
          return mine;
        },
      });
    return { store: connect(), others: [connect(), connect()], close: async () => {} };
  };
  for (const { name, run } of storeContract(open)) test(name, crowdIn(name), run);
});

test("over a database that runs a transaction again, an erasure counts each audit entry once", async () => {
  const remote = new Remote();
  const transaction = optimistic(remote);
  const store = storeOver({
    ...{ name: "remote", audit: true },
    transaction: (work) =>
      transaction(async (given) => {
        await work(given);
        return work(given);
      }),
  });
  await store.audit?.append([1, 2, 3].map((at) => entry(at, { userId: "ada" })));
  const erasure = { userId: "ada", realm: NO_REALM, at: 9, until: 99, entries: "delete" } as const;
  expect(await store.audit?.erase({ ...erasure, pseudonym: newId() })).toBe(3);
});

test("over a database that writes on conditions, a login is read with the session that it has at that moment", async () => {
  const remote = new Remote();
  const connect = () => storeOver({ name: "remote", transaction: optimistic(remote) });
  const [store, other] = [connect(), connect()];
  const login = rememberedRow();
  const session = sessionRow({ rememberedId: login.id, userId: login.userId, level: "remembered" });
  await store.apply({ kind: "signIn", remember: login, insert: session });
  const get = remote.get.bind(remote);
  let isFirst = true;
  remote.get = async (key) => {
    const found = await get(key);
    if (isFirst && key.startsWith("l/")) {
      isFirst = false;
      const set = { ...login, token: digestOf("next"), rotatedAt: login.rotatedAt + 1 };
      await other.apply({
        kind: "restore",
        rotate: { id: login.id, generation: login.generation, set },
        update: { id: session.id, version: session.version, set: { secret: digestOf("next") } },
      });
    }
    return found;
  };
  const found = await store.findRemembered(login.id);
  expect([found?.login.generation, found?.session?.version]).toEqual([
    login.generation + 1,
    session.version + 1,
  ]);
});
