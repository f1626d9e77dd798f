/** Row-level security of PostgreSQL: a database user that sees no rows signs all users out, and ends no devices. */

import { randomBytes } from "node:crypto";
import pg from "pg";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { createPsession, type Store } from "../../src/index.ts";
import { revoke } from "../../src/stores/changes.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { sessionRow, T0 } from "../../src/testing/rows.ts";
import { KEY, TestBrowser, testApp } from "../support/app.ts";
import { freshSchema, onPostgres } from "../support/servers/fresh.ts";
import { describeWith, POSTGRES } from "../support/servers/reach.ts";

const TABLES = ["sessions", "logins", "locks", "meta"].map((name) => `psession_${name}`);

/** Tables of an administrator, and a role that may do everything with them that rights can say. */
async function place(): Promise<{ url: string; asRole: string; role: string; secured: Secured }> {
  const { url, name } = await freshSchema();
  const role = `psession_test_${randomBytes(8).toString("hex")}`;
  const administrator = new pg.Pool({ connectionString: url, max: 1 });
  await postgresStore({ pool: administrator }).migrate();
  await administrator.end();
  await onPostgres(url, `CREATE ROLE ${role}`);
  onTestFinished(async () => {
    await onPostgres(url, `DROP OWNED BY ${role}`);
    await onPostgres(url, `DROP ROLE ${role}`);
  });
  await onPostgres(url, `GRANT USAGE ON SCHEMA ${name} TO ${role}`);
  await onPostgres(url, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${name} TO ${role}`);
  const within = new URL(url);
  within.searchParams.set("options", `${within.searchParams.get("options")} -c role=${role}`);
  within.search = within.search.replaceAll("+", "%20");
  const secured: Secured = async (tables, ...policies) => {
    for (const table of tables) {
      await onPostgres(url, `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
      for (const [index, policy] of policies.entries())
        await onPostgres(url, `CREATE POLICY p${index} ON ${table} ${policy.replace("ROLE", role)}`);
    }
  };
  return { url, asRole: within.href, role, secured };
}

type Secured = (tables: readonly string[], ...policies: string[]) => Promise<void>;

const openPg = (url: string): Store => {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  onTestFinished(() => pool.end());
  return postgresStore({ pool });
};

const openPostgresJs = (url: string): Store => {
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  onTestFinished(() => sql.end());
  return postgresStore({ sql });
};

const faults = async (store: Store) => (await store.admin?.inspect())?.faults ?? [];

describeWith(POSTGRES, "row-level security", () => {
  test.for([
    ["pg", openPg],
    ["postgres.js", openPostgresJs],
  ] as const)(
    "without a policy: the first use says so, through %s, and nobody is signed out",
    async ([, open]) => {
      const { url, asRole, secured } = await place();
      const browser = new TestBrowser(testApp({ store: openPg(url) }));
      await browser.visit((session) => session.login("ada", { remember: true }));
      await secured(["psession_sessions", "psession_logins"]);
      const hidden = {
        code: "store_misread",
        status: 500,
        message: expect.stringMatching(
          /Row-level security hides .*psession_sessions, .*psession_logins.*POLICY/,
        ),
      };
      const app = testApp({ store: open(asRole) });
      const misled = new TestBrowser(app);
      misled.jar = browser.copyJar();
      for (const restarts of [false, true]) {
        if (restarts) misled.restart();
        await expect(misled.visit()).rejects.toMatchObject(hidden);
      }
      await expect(app.psession.revokeUser("ada")).rejects.toMatchObject(hidden);
      expect(app.told()).toEqual([]);
      expect(misled.jar.size).toBe(1);
      expect((await browser.visit()).session.userId).toBe("ada");
      const told = (await faults(open(asRole))).filter(({ code }) => code === "row_security");
      expect(told).toMatchObject([{ message: hidden.message }]);
    },
  );

  test.for([
    ["that allows no changes of rows", ["FOR SELECT USING (true)", "FOR INSERT WITH CHECK (true)"]],
    ["of another role", ["FOR ALL TO pg_monitor USING (true)"]],
    ["that only restricts", ["AS RESTRICTIVE FOR ALL USING (true)"]],
    [
      "that allows no end of a session",
      ["FOR SELECT USING (true)", "FOR INSERT WITH CHECK (true)", "FOR UPDATE USING (true)"],
    ],
  ] as const)("with a policy %s: refused", async ([, policies]) => {
    const { asRole, secured } = await place();
    await secured(["psession_sessions"], ...policies);
    const store = openPg(asRole);
    const hidden = { code: "store_misread", message: expect.stringContaining("psession_sessions") };
    await expect(store.findSession(sessionRow().id)).rejects.toMatchObject(hidden);
    await expect(store.list("ada")).rejects.toMatchObject(hidden);
  });

  test.for([
    ["for every role", ["FOR ALL USING (true)"]],
    ["for the role", ["FOR ALL TO ROLE USING (true) WITH CHECK (true)"]],
    [
      "for each command",
      [
        ...["FOR SELECT USING (true)", "FOR INSERT WITH CHECK (true)"],
        ...["FOR UPDATE USING (true)", "FOR DELETE USING (true)"],
      ],
    ],
  ] as const)("with a policy %s: works", async ([, policies]) => {
    const { asRole, secured } = await place();
    await secured(TABLES, ...policies);
    const store = openPg(asRole);
    const row = sessionRow({ userId: "ada", level: "login" });
    expect(await store.apply({ kind: "signIn", insert: row })).toEqual({ done: true, ended: [] });
    expect((await store.findSession(row.id))?.userId).toBe("ada");
    const ended = await revoke(store, { userId: "ada", reason: "revoked", at: T0, pruneAfter: T0 });
    expect(ended).toHaveLength(1);
    expect(await faults(store)).toEqual([]);
  });

  test("the owner of the tables is exempt, unless it is forced on", async () => {
    const { url, secured, role } = await place();
    await onPostgres(
      url,
      `GRANT CREATE ON SCHEMA ${new URL(url).searchParams.get("options")?.split("=")[1]} TO ${role}`,
    );
    for (const table of TABLES) await onPostgres(url, `ALTER TABLE ${table} OWNER TO ${role}`);
    await secured(["psession_logins"]);
    const within = new URL(url);
    within.searchParams.set("options", `${within.searchParams.get("options")} -c role=${role}`);
    within.search = within.search.replaceAll("+", "%20");
    expect(await openPg(within.href).list("ada")).toEqual([]);
    await onPostgres(url, "ALTER TABLE psession_logins FORCE ROW LEVEL SECURITY");
    await expect(openPg(within.href).list("ada")).rejects.toMatchObject({ code: "store_misread" });
  });

  test("switched on under a running application is found by the doctor", async () => {
    const { asRole, secured } = await place();
    const store = openPg(asRole);
    const psession = createPsession({ store, keys: [KEY], prune: false });
    expect(await psession.devices("ada")).toEqual([]);
    await secured(TABLES);
    expect((await faults(store)).map(({ code }) => code)).toContain("row_security");
    await psession.close();
  });
});
