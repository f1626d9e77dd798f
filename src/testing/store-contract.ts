import type { Store } from "../stores/store.ts";
import { admin } from "./contract/admin.ts";
import { audit } from "./contract/audit.ts";
import { caps } from "./contract/caps.ts";
import { channel } from "./contract/channel.ts";
import { ending } from "./contract/ending.ts";
import { erasedTrail } from "./contract/erased-trail.ts";
import { erasing } from "./contract/erasing.ts";
import { type Cases, fixtureOf } from "./contract/fixture.ts";
import { locks } from "./contract/locks.ts";
import { marks } from "./contract/marks.ts";
import { misfits } from "./contract/misfits.ts";
import { pruning } from "./contract/pruning.ts";
import { races } from "./contract/races.ts";
import { realms } from "./contract/realms.ts";
import { rows } from "./contract/rows.ts";
import { users } from "./contract/users.ts";
import { writes } from "./contract/writes.ts";

/** Stores over the same, empty data. `others` stand for further connections or processes, where there are any. */
export interface StoreFixture {
  readonly store: Store;
  readonly others?: readonly Store[] | undefined;
  /** Rows go away by themselves when their time has come, so that `prune` has nothing to do. Default: false. */
  readonly expires?: boolean | undefined;
  close(): Promise<void>;
}

/** A promise of the contract. `run` rejects where it is not kept. */
export interface ContractCase {
  readonly name: string;
  run(): Promise<void>;
}

const CASES: Cases = {
  ...rows,
  ...writes,
  ...users,
  ...ending,
  ...caps,
  ...marks,
  ...misfits,
  ...realms,
  ...locks,
  ...pruning,
  ...races,
  ...admin,
  ...audit,
  ...erasing,
  ...erasedTrail,
  ...channel,
};

/**
 * The promises of the `Store` interface, as cases for any test runner:
 * `for (const { name, run } of storeContract(open)) test(name, run)`.
 */
export function storeContract(open: () => Promise<StoreFixture>): ContractCase[] {
  return Object.entries(CASES).map(([name, body]) => ({
    name,
    run: async () => {
      const { store, others = [], expires = false, close } = await open();
      try {
        await body(fixtureOf(store, others, expires));
      } finally {
        await close();
      }
    },
  }));
}
