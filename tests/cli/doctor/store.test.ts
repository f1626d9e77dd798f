import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPool } from "mysql2/promise";
import { describe, expect, onTestFinished, test } from "vitest";
import { fileFindings } from "../../../src/cli/doctor/files.ts";
import { mysqlStore } from "../../../src/stores/mysql/index.ts";
import { freshDatabase, onMysql } from "../../support/servers/fresh.ts";
import { describeWith, MYSQL } from "../../support/servers/reach.ts";
import { isRedisMissing, startRedis } from "../../support/servers/redis.ts";
import { temporaryFolder } from "../../support/temp.ts";
import { KINDS, signIn } from "../places.ts";
import { examined } from "./examined.ts";

const codes = (found: ReadonlyMap<string, unknown>) => [...found.keys()];

for (const [name, kind] of Object.entries(KINDS)) {
  describeWith(kind.needs, `a database that is not as it should be: ${name}`, () => {
    test("what is well", async () => {
      const { findings } = await examined(name);
      expect(codes(await findings())).toEqual([]);
    });

    test("clock_skew", async () => {
      const { findings, configure } = await examined(name);
      const skewed = async (by: number) => {
        configure({ options: `clock: { now: () => Date.now() + ${by} },` });
        return (await findings()).get("clock_skew")?.message;
      };
      expect(await skewed(600_000)).toContain("600 s behind this machine's");
      expect(await skewed(-60_000)).toContain("60 s ahead of this machine's");
    });

    test("table_missing, column_missing and index_missing", async () => {
      const { findings, sql, configure } = await examined(name);
      configure({ store: "migrate: false" });
      await sql("DROP INDEX psession_logins_user");
      expect(codes(await findings())).toEqual(["index_missing"]);
      await sql("ALTER TABLE psession_logins DROP COLUMN salt");
      expect(codes(await findings()).sort()).toEqual(["column_missing", "index_missing"]);
      await sql("DROP TABLE psession_logins");
      const found = await findings();
      expect(codes(found)).toEqual(["table_missing"]);
      expect(found.get("table_missing")).toMatchObject({
        severity: "error",
        message: expect.stringContaining("psession_logins"),
      });
    });

    test("migration_changed and column_type: with the option that differs, until migrate has mended it", async () => {
      const { findings, configure, run, sql, app } = await examined(name);
      configure({ store: 'userIds: "integer", timestamps: "datetime"' });
      const found = await findings();
      expect(codes(found)).toEqual(["migration_changed"]);
      expect(found.get("migration_changed")).toMatchObject({
        severity: "error",
        message: expect.stringMatching(
          /userIds was "(any|text)", and is "integer" here; timestamps was "integer", and is "datetime" here/,
        ),
      });
      // Nothing else is done with such tables, and they are as they were.
      const listed = await run("sessions");
      expect([listed.code, listed.stderr]).toEqual([1, expect.stringContaining('and is "integer" here')]);
      await signIn(app, "ada");
      const refused = await run("migrate");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("They are not: psession_sessions has rows");
      expect(codes(await findings())).toEqual(["migration_changed"]);
      await sql("DELETE FROM psession_sessions");
      expect(await run("migrate")).toMatchObject({ code: 0, stdout: "Done: 0001-tables, made anew\n" });
      expect(codes(await findings())).toEqual([]);
      configure({ store: 'userIds: "text", migrate: false' });
      await sql("DELETE FROM psession_meta");
      const typed = await findings();
      expect(codes(typed)).toEqual(["column_type"]);
      configure({ store: 'userIds: "integer", timestamps: "datetime", migrate: false' });
      expect(codes(await findings())).toEqual([]);
    });

    test("nobody_prunes", async () => {
      const { findings, configure, app, run, store, doctor } = await examined(name);
      configure({ options: "prune: false," });
      await signIn(app, "ada");
      const found = await findings();
      expect(codes(found)).toEqual(["nobody_prunes"]);
      expect(found.get("nobody_prunes")?.message).toContain("pruning never was");
      // By the clock of the tests, which is years from the system's.
      await run("prune");
      const { admin } = store;
      const pruned = (await admin?.inspect())?.prunedAt;
      expect(pruned).toBe(app.clock.now());
      // What the application does counts as well.
      app.clock.advance(1000);
      await app.psession.prune();
      expect((await admin?.inspect())?.prunedAt).toBe(app.clock.now());
      const days = (count: number) => ({ NOW: String(app.clock.now() + count * 86_400_000) });
      expect((await doctor(["--json"], days(1))).json.findings).not.toContainEqual(
        expect.objectContaining({ code: "nobody_prunes" }),
      );
      expect((await doctor([], days(3))).stdout).toContain("was last done on 2030-01-01 00:00:01Z");
    });
  });
}

describe("stores", () => {
  test("store_unreachable", async () => {
    const { findings, configure } = await examined();
    configure({
      before: 'import pg from "pg"; import { postgresStore } from "psession/postgres";',
      options:
        'store: postgresStore({ pool: new pg.Pool({ connectionString: "postgres://user:hidden@127.0.0.1:9/none" }) }),',
    });
    const found = await findings();
    expect(codes(found)).toEqual(["store_unreachable"]);
    expect(JSON.stringify([...found])).not.toContain("hidden");
  });

  test("store_memory", async () => {
    const { findings, configure } = await examined();
    const parts = {
      before: 'import { memoryStore } from "psession/memory";',
      options: "store: memoryStore(),",
    };
    configure(parts);
    expect((await findings()).get("store_memory")?.severity).toBe("note");
    configure({ ...parts, deployment: "{ production: true }" });
    expect((await findings([], { NODE_ENV: "production" })).get("store_memory")?.severity).toBe("error");
  });

  test("store_not_seen", async () => {
    const { findings, configure, run } = await examined();
    configure({
      before: 'import { memoryStore } from "psession/memory";',
      options:
        'store: Object.defineProperties(memoryStore(), { name: { value: "own" }, admin: { value: undefined } }),',
    });
    expect((await findings()).get("store_not_seen")?.severity).toBe("note");
    expect(await run("sessions")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('The store "own" offers no way to look through all of it'),
    });
  });
});

describe.skipIf(process.platform === "win32")("SQLite", () => {
  test("file_mode", async () => {
    const { findings, configure, doctor } = await examined();
    const file = join(temporaryFolder(), "app.sqlite");
    configure({ options: `store: sqliteStore({ path: ${JSON.stringify(file)} }),` });
    expect(codes(await findings())).toEqual([]);
    chmodSync(file, 0o640);
    expect((await findings()).get("file_mode")).toMatchObject({
      severity: "note",
      message: expect.stringContaining(`A group of users may open ${file} (0640)`),
    });
    chmodSync(file, 0o644);
    writeFileSync(`${file}-journal`, "");
    chmodSync(`${file}-journal`, 0o604);
    expect((await findings()).get("file_mode")).toMatchObject({
      severity: "warning",
      message: expect.stringMatching(/^Every user of this machine may open .*0644.*-journal \(0604\)/),
      remedy: expect.stringMatching(/^chmod -f 600 .*\.sqlite .*-journal$/),
    });
    const { stdout } = await doctor();
    spawnSync("sh", ["-c", /chmod .*/.exec(stdout)?.[0] ?? ""]);
    expect(codes(await findings())).toEqual([]);
  });

  test("file_mode: as a line for a shell, and not on Windows", async () => {
    const file = join(temporaryFolder(), "Ada's db");
    writeFileSync(file, "");
    chmodSync(file, 0o666);
    expect(await fileFindings([file], "win32")).toEqual([]);
    const [found] = await fileFindings([file], "linux");
    spawnSync("sh", ["-c", found?.remedy ?? ""]);
    expect(await fileFindings([file], "linux")).toEqual([]);
    expect(await fileFindings([`${file} that is not there`], "linux")).toEqual([]);
  });
});

describeWith(MYSQL, "MySQL", () => {
  test("time_zone", async () => {
    const { url } = await freshDatabase();
    const pool = createPool(url);
    onTestFinished(() => pool.end());
    await mysqlStore({ pool, timestamps: "datetime" }).migrate();
    const { findings, configure } = await examined();
    configure({
      before: 'import { createPool } from "mysql2/promise"; import { mysqlStore } from "psession/mysql";',
      options: `store: mysqlStore({ pool: createPool(${JSON.stringify(url)}), timestamps: "datetime" }),`,
    });
    expect(codes(await findings())).toEqual([]);
    await onMysql(url, "ALTER TABLE psession_sessions MODIFY last_seen_at TIMESTAMP(3) NOT NULL");
    expect((await findings()).get("time_zone")?.message).toContain("last_seen_at");
  });
});

describe.skipIf(await isRedisMissing("doctor's look at Redis"))("Redis", () => {
  test("eviction_policy", async () => {
    const server = await startRedis({ args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"] });
    onTestFinished(() => server.stop());
    const { findings, configure } = await examined();
    configure({
      before: 'import { createClient } from "redis"; import { redisStore } from "psession/redis";',
      options: `store: redisStore({ client: await createClient({ url: "${server.url}" }).connect() }),`,
    });
    expect((await findings()).get("eviction_policy")?.message).toContain("maxmemory-policy allkeys-lru");
    await server.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
    expect(codes(await findings())).toEqual([]);
  });
});
