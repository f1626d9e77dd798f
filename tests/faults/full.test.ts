/** A disk that is full: what is there is served, what has to be stored is refused, and it goes on when there is room. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { HOUR } from "../support/clock.ts";
import { temporaryFolder } from "../support/temp.ts";
import { allComeBack, audit, recovered, signIn, startSite } from "./harness.ts";

test("SQLite on a full disk", async () => {
  const database = new DatabaseSync(join(temporaryFolder(), "sessions.sqlite"));
  const site = await startSite(sqliteStore({ database }));
  const visitors = site.visitors(20);
  await signIn(visitors);
  const pages = Number(database.prepare("PRAGMA page_count").get()?.["page_count"]);
  database.exec(`PRAGMA max_page_count = ${pages}`);
  const strangers = site.visitors(60);
  let signedIn = 0;
  await Promise.all(strangers.map(async (visitor) => void ((await visitor.login()) && signedIn++)));
  expect(signedIn).toBeLessThan(60);
  const read = await Promise.all(visitors.map((visitor) => visitor.read()));
  expect(read).not.toContain(undefined);
  await Promise.all(visitors.map((visitor) => visitor.write()));
  expect(site.tally).toMatchObject({ refused: expect.any(Number), withCookies: 0 });
  for (const fault of site.faults) {
    expect(fault).toMatchObject({ code: "store_unavailable", message: expect.stringContaining("full") });
  }
  database.exec("PRAGMA max_page_count = 1000000");
  site.clock.advance(HOUR);
  await recovered([...visitors, ...strangers]);
  await allComeBack(site, [...visitors, ...strangers]);
  site.close(
    "disk full, SQLite",
    await audit(async (text) => database.prepare(text).all() as Record<string, unknown>[]),
  );
});
