import { chmodSync, existsSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { sessionRow } from "../../src/testing/rows.ts";
import { temporaryFolder } from "../support/temp.ts";

const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);

/** The modes of what is in a folder while a store is in use there. */
async function modesIn(folder: string, path: string): Promise<Record<string, string>> {
  const store = sqliteStore({ path });
  await store.apply({ kind: "create", insert: sessionRow() });
  const modes = Object.fromEntries(readdirSync(folder).map((name) => [name, modeOf(join(folder, name))]));
  await store.close?.();
  return modes;
}

const PRIVATE = { "a b.sqlite": "600", "a b.sqlite-shm": "600", "a b.sqlite-wal": "600" };

function withUmask(mask: number): void {
  const before = process.umask(mask);
  onTestFinished(() => void process.umask(before));
}

describe.skipIf(process.platform === "win32")("a SQLite file", () => {
  for (const mask of [0o022, 0, 0o077]) {
    test(`is for its owner alone, with its companions, where the umask is 0${mask.toString(8)}`, async () => {
      withUmask(mask);
      const folder = temporaryFolder();
      expect(await modesIn(folder, join(folder, "a b.sqlite"))).toEqual(PRIVATE);
    });
  }

  test("is made so where a link leads to it", async () => {
    const [folder, links] = [temporaryFolder(), temporaryFolder()];
    symlinkSync(join(folder, "a b.sqlite"), join(links, "second"));
    symlinkSync("second", join(links, "first"));
    expect(await modesIn(folder, join(links, "first"))).toEqual(PRIVATE);
    expect(existsSync(join(links, "first"))).toBe(true);
  });

  for (const [name, uri] of [
    ["as an address", (path: string) => pathToFileURL(path).href],
    ["as an address with settings", (path: string) => `file:${path}?mode=rwc&cache=private#x`],
    ["as an address of this host", (path: string) => `file://localhost${path}`],
  ] as const) {
    test(`is made so where it is given ${name}`, async () => {
      const folder = temporaryFolder();
      expect(await modesIn(folder, uri(join(folder, "a b.sqlite")))).toEqual(PRIVATE);
    });
  }

  test("keeps the mode that its owner gave it, and its companions follow", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "shared.sqlite");
    writeFileSync(path, "");
    chmodSync(path, 0o660);
    expect(await modesIn(folder, path)).toEqual({
      "shared.sqlite": "660",
      "shared.sqlite-shm": "660",
      "shared.sqlite-wal": "660",
    });
    chmodSync(path, 0o644);
    expect(await modesIn(folder, path)).toMatchObject({ "shared.sqlite": "644" });
  });

  test("keeps the mode that its address asks for", async () => {
    const folder = temporaryFolder();
    const other = join(folder, "other");
    writeFileSync(other, "");
    chmodSync(other, 0o640);
    const path = join(folder, "new.sqlite");
    expect(await modesIn(folder, `file:${path}?modeof=${other}`)).toMatchObject({ "new.sqlite": "640" });
  });

  test("is none where sessions are in memory, or are only to be read", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "none.sqlite");
    const before = readdirSync(".");
    for (const given of [":memory:", "file::memory:", `file:${path}?mode=memory`]) {
      expect(await modesIn(folder, given)).toEqual({});
    }
    expect(() => sqliteStore({ path: `file:${path}?mode=ro` })).toThrow(/could not be opened/);
    expect(() => sqliteStore({ path: `file:${path}?mode=rw` })).toThrow(/could not be opened/);
    expect(readdirSync(folder)).toEqual([]);
    expect(readdirSync(".")).toEqual(before);
  });
});
