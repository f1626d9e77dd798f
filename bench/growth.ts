/** Costs that may or must not grow with the table: pruning, and the list of a user's devices. */
import type { Psession } from "psession";
import { openStore, shopOn, signIn } from "./contenders/psession.ts";
import type { GrowthResult } from "./results.ts";
import type { Stores } from "./stores.ts";
import { DAY, type ShopData, type StoreName } from "./workload.ts";

const TURNS = 3;
const LISTS = 200;
const PRUNED = [1000, 10_000];
const USER = "ada";

/** In milliseconds. */
async function time(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

export async function measureGrowth(
  stores: Stores,
  store: StoreName,
  sizes: readonly number[],
  onStep: (what: string) => void,
): Promise<GrowthResult[]> {
  const tables = [];
  for (const rows of sizes) {
    onStep(`${store}, ${rows} rows`);
    const place = await stores.place(store, "psession", String(rows));
    const psession = shopOn(await openStore(place));
    // Makes the tables if this is the first contender to use them.
    for (let device = 0; device < 5; device++) await signIn(psession, USER);
    await stores.fillOnce(place, rows);
    await psession.prune();
    const result = { store, rows, pruneNothing: [], prune: [], devices: [] };
    tables.push({ place, psession, result: result as Mutable<GrowthResult> });
  }
  for (let turn = 0; turn < TURNS; turn++) {
    for (const { place, psession, result } of tables) {
      onStep(`${store}, ${result.rows} rows, turn ${turn + 1}`);
      result.devices.push(...(await listing(psession)));
      // Redis lets rows expire by itself.
      if (store === "redis") continue;
      for (const count of PRUNED) {
        result.pruneNothing.push(await time(() => psession.prune()));
        await stores.fill(place, { rows: count, pruneAfter: Date.now() - DAY - turn });
        let deleted = 0;
        const milliseconds = await time(async () => {
          deleted = (await psession.prune()).sessions;
        });
        if (deleted !== count) throw new Error(`${deleted} rows were pruned, not ${count}.`);
        result.prune.push({ deleted, milliseconds });
      }
    }
  }
  return tables.map(({ result }) => result);
}

async function listing(psession: Psession<ShopData>): Promise<number[]> {
  const times: number[] = [];
  for (let count = 0; count < LISTS; count++) {
    times.push(
      await time(async () => {
        const devices = await psession.devices(USER);
        if (devices.length < 5) throw new Error(`${USER} has ${devices.length} devices.`);
      }),
    );
  }
  return times;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer V)[] ? V[] : T[K] };
