/** The whole store contract with every table and column called otherwise, in another schema, with dates. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Store } from "../../src/index.ts";
import type { Sql } from "../../src/stores/sql/sql.ts";
import { type StoreFixture, storeContract } from "../../src/testing/contracts.ts";
import { crowdIn } from "../support/crowd.ts";
import { describeWith } from "../support/servers/reach.ts";
import type { Naming, Place, UserIds } from "./fixtures.ts";
import { oddTables, TABLE_KEYS } from "./naming/odd.ts";
import { otherSchema, representatives, statementsOf } from "./naming/places.ts";

/** Text is what the contract runs with elsewhere. */
const KINDS: readonly UserIds[] = ["integer", "uuid"];
/** Takes longest, and has no user: once for each database that has several connections. */
const CROWDED = "two hundred counted saves that try again lose none";

for (const backend of representatives) {
  for (const userIds of backend.name === "pglite" ? (["uuid"] as const) : KINDS) {
    describeWith(backend.needs, `store contract, renamed: ${backend.name}, ${userIds}`, () => {
      let place: Place;
      let statements: Sql;
      let drop: () => Promise<void>;
      const stores: Store[] = [];

      beforeAll(async () => {
        place = await backend.open();
        const schema = await otherSchema(backend, place);
        drop = schema.drop;
        const naming: Naming = {
          ...{
            tables: oddTables(),
            schema: schema.name,
            timestamps: "datetime",
            createUsers: true,
            audit: true,
          },
          userIds,
        };
        statements = statementsOf(backend, naming);
        while (stores.length < backend.connections) stores.push(await place.connect(naming));
        await stores[0]?.findSession("x");
        // Columns of the application's own disturb nothing.
        for (const table of [statements.S, statements.L, statements.M, statements.K, statements.A]) {
          const type = backend.dialect === "sqlite" ? "TEXT" : "varchar(9)";
          await place.sql(`ALTER TABLE ${table} ADD COLUMN created_at ${type} DEFAULT 'theirs' NOT NULL`);
        }
      });
      afterAll(async () => {
        await drop();
        await place.close();
      });

      const open = async (): Promise<StoreFixture> => {
        const { S, L, K, A, M, m } = statements;
        for (const table of [S, L, K, A, `${M} WHERE ${m.name} = 'prune'`])
          await place.sql(`DELETE FROM ${table}`);
        const [store, ...others] = stores;
        if (store === undefined) throw new Error("a backend has at least one connection");
        return { store, others, close: async () => {} };
      };
      for (const { name, run } of storeContract(open)) {
        if (name !== CROWDED || (backend.connections > 1 && userIds === KINDS[0]))
          test(name, crowdIn(name), run);
      }

      test("the application's own columns were filled by the database", async () => {
        const { store } = await open();
        await store.findSession("x");
        const rows = await place.sql(`SELECT created_at FROM ${statements.M}`);
        expect(rows.map((row) => row["created_at"])).toEqual(rows.map(() => "theirs"));
        expect(rows.length).toBeGreaterThan(1);
      });
    });
  }
}

test("no table and no column keeps its name", () => {
  expect(Object.keys(oddTables())).toEqual(TABLE_KEYS);
});
