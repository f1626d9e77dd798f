import { expect, test } from "vitest";
import { assembleEntry, assembleLogin, assembleSession } from "../../src/stores/sql/assemble.ts";
import { TABLES } from "../../src/stores/sql/schema.ts";

test.each([
  ["sessions", assembleSession],
  ["logins", assembleLogin],
  ["audit", assembleEntry],
] as const)("a row of %s has each of its columns in its place", (table, assemble) => {
  const fields = Object.keys(TABLES[table].spec);
  expect(Object.entries(assemble(fields))).toEqual(fields.map((field) => [field, field]));
});
