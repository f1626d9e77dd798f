import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { type StoreFixture, storeContract } from "../../src/testing/contracts.ts";
import { freshSchema } from "../support/servers/fresh.ts";
import { describeWith, POSTGRES } from "../support/servers/reach.ts";
import { type StoreMutant, storeMutants } from "./contract-mutants.ts";

const SOURCES = resolve(import.meta.dirname, "../../src");
const FOLDER = resolve(SOURCES, `../.tmp/store-mutants-${process.pid}`);
/** What no store imports. */
const OTHERS = ["integrations", "cli", "testing", "request"];

afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

/** A module of the library, from a copy that is broken in one place; as it is without a mutant. */
async function load<Module>(mutant: StoreMutant | undefined, path: string): Promise<Module> {
  const folder = mutant === undefined ? SOURCES : brokenCopy(mutant);
  return import(pathToFileURL(join(folder, path)).href) as Promise<Module>;
}

function brokenCopy(mutant: StoreMutant): string {
  const folder = join(FOLDER, String(storeMutants.indexOf(mutant)));
  const others = new Set(OTHERS.map((name) => join(SOURCES, name)));
  cpSync(SOURCES, folder, { recursive: true, filter: (source) => !others.has(source) });
  const file = join(folder, mutant.file);
  let text = readFileSync(file, "utf8");
  for (const { find, replace } of [mutant, ...(mutant.also ?? [])]) {
    const parts = text.split(find);
    if (parts.length !== 2) throw new Error(`${mutant.file} has ${parts.length - 1} of: ${find}`);
    text = parts.join(replace);
  }
  writeFileSync(file, text);
  return folder;
}

type Open = (mutant: StoreMutant | undefined) => Promise<Store>;

function told(name: string, open: Open, mutant?: StoreMutant): Promise<void> {
  const fixture = async (): Promise<StoreFixture> => {
    const store = await open(mutant);
    return { store, close: async () => store.close?.() };
  };
  const [found] = storeContract(fixture).filter((one) => one.name === name);
  if (found === undefined) throw new Error(`The contract has no case "${name}".`);
  return found.run();
}

function notices(kind: StoreMutant["store"], open: Open) {
  const own = storeMutants.filter(({ store }) => store === kind);
  test.each(own.map((mutant) => [mutant.name, mutant.noticedBy, mutant] as const))(
    "%s: noticed by “%s”",
    async (_, name, mutant) => {
      await expect(told(name, open, mutant)).rejects.toMatchObject({ code: "ERR_ASSERTION" });
    },
  );

  test.each([...new Set(own.map(({ noticedBy }) => noticedBy))])(
    "“%s” has nothing against the store as it is",
    (name) => told(name, open),
  );
}

describe("the contract notices, in the memory store:", () => {
  notices("memory", async (mutant) => {
    const { memoryStore } = await load<typeof import("../../src/stores/memory/index.ts")>(
      mutant,
      "stores/memory/index.ts",
    );
    return memoryStore({ audit: true });
  });
});

describe("the contract notices, in the SQLite store:", () => {
  notices("sqlite", async (mutant) => {
    const { sqliteStore } = await load<typeof import("../../src/stores/sqlite/index.ts")>(
      mutant,
      "stores/sqlite/index.ts",
    );
    return sqliteStore({ path: ":memory:", audit: true });
  });
});

describeWith(POSTGRES, "the contract notices, in the PostgreSQL store:", () => {
  let pool: pg.Pool;
  beforeAll(async () => {
    const { url } = await freshSchema();
    pool = new pg.Pool({ connectionString: url, max: 3 });
    await postgresStore({ pool, audit: true }).migrate?.();
  });
  afterAll(() => pool.end());

  notices("postgres", async (mutant) => {
    for (const table of ["sessions", "logins", "locks", "audit"])
      await pool.query(`DELETE FROM psession_${table}`);
    const library = await load<typeof import("../../src/stores/postgres/index.ts")>(
      mutant,
      "stores/postgres/index.ts",
    );
    return library.postgresStore({ pool, audit: true, migrate: false });
  });
});
