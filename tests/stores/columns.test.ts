import { expect, test } from "vitest";
import { TABLES } from "../../src/stores/sql/schema.ts";

/** What scripts in Redis keep beside the fields of a row. */
const OF_SCRIPTS = ["si", "ix", "by"];

test.each(Object.entries(TABLES))("no two fields of %s share a column or a name in Redis", (_, { spec }) => {
  const fields = Object.values<readonly [string, string, string, string?]>(spec);
  const columns = fields.map(([column]) => column);
  const names = [...fields.flatMap(([, , , short]) => short ?? []), ...OF_SCRIPTS];
  expect(new Set(columns).size).toBe(columns.length);
  expect(new Set(names).size).toBe(names.length);
});
