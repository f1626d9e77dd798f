import { afterAll, beforeAll, describe, test, vi } from "vitest";
import { lmdbStore } from "../../examples/store-lmdb/lmdb.ts";
import { memoryStore, type Store } from "../../src/index.ts";
import { type StoreFixture, storeContract } from "../../src/testing/contracts.ts";
import { crowdIn } from "../support/crowd.ts";
import { describeWith } from "../support/servers/reach.ts";
import { temporaryFolder } from "../support/temp.ts";
import { type Backend, oddSqliteBackends, type Place, sqlBackends } from "./fixtures.ts";

// Hundreds of parallel writers on one connection of PGlite, which is slow, on a machine that is busy.
vi.setConfig({ testTimeout: 240_000 });

describe("store contract: memory", () => {
  const open = async (): Promise<StoreFixture> => ({
    store: memoryStore({ audit: true }),
    close: async () => {},
  });
  for (const { name, run } of storeContract(open)) test(name, crowdIn(name), run);
});

describe("store contract: a store over LMDB, by the kit", () => {
  const open = async (): Promise<StoreFixture> => {
    const path = temporaryFolder();
    const [store, ...others] = [1, 2].map(() => lmdbStore({ path, audit: true }));
    if (store === undefined) throw new Error("no store");
    const close = async () => {
      for (const one of [store, ...others]) await one.close?.();
    };
    return { store, others, close };
  };
  for (const { name, run } of storeContract(open)) test(name, crowdIn(name), run);
});

/** A hundred sign-ins of one user wait for each other, which takes a busy machine longer than a visitor would wait. */
const patient = ({ dialect }: Backend) => (dialect === "sqlite" ? {} : { timeout: 60_000 });

for (const backend of [...sqlBackends, ...oddSqliteBackends]) {
  describeWith(backend.needs, `store contract: ${backend.name}`, () => {
    // One place for all cases, with connections that stay open, emptied before each case.
    let place: Place;
    let stores: Store[];
    beforeAll(async () => {
      place = await backend.open();
      stores = await Promise.all(
        Array.from({ length: backend.connections }, () =>
          place.connect({ audit: true, ...patient(backend) }),
        ),
      );
      // The first use creates the tables.
      await stores[0]?.findSession("x");
    });
    afterAll(() => place.close());
    const open = async (): Promise<StoreFixture> => {
      for (const table of ["sessions", "logins", "locks", "audit"])
        await place.sql(`DELETE FROM psession_${table}`);
      await place.sql("DELETE FROM psession_meta WHERE name = 'prune'");
      const [store, ...others] = stores;
      if (store === undefined) throw new Error("a backend has at least one connection");
      return { store, others, close: async () => {} };
    };
    for (const { name, run } of storeContract(open)) test(name, crowdIn(name), run);
  });
}
