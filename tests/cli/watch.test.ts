import { expect, test } from "vitest";
import { NO_REALM } from "../../src/protocol/secrets.ts";
import { TABLES } from "../../src/stores/sql/schema.ts";
import { KEY, TestBrowser, testApp } from "../support/app.ts";
import { bindKey, KeyHolder, proveKey } from "../support/bound.ts";
import { describeWith } from "../support/servers/reach.ts";
import { KINDS, place, signIn } from "./places.ts";
import { startPsession } from "./run.ts";

for (const [name, kind] of Object.entries(KINDS)) {
  describeWith(kind.needs, `watching: ${name}`, () => {
    test("prints new and ended devices until it is interrupted", async () => {
      const { app, folder } = await place(kind);
      const early = await signIn(app, "ada");
      const env = { SESSION_KEYS: KEY, NOW: String(app.clock.now()) };
      const watching = startPsession({ cwd: folder, env }, "watch", "--every", "20ms", "--json");
      const next = async () => JSON.parse((await watching.lines.next()).value);
      expect((await watching.errors.next()).value).toContain("Watching 1 sessions and logins");
      const late = await signIn(app, "bob", { remember: true });
      expect(await next()).toMatchObject({ change: "new", handle: late, userId: "bob", isRemembered: true });
      await app.psession.revoke(early);
      expect(await next()).toMatchObject({ change: "ended", handle: early, userId: "ada" });
      expect(await watching.interrupt()).toBe(0);
    });

    test("prints new entries of the audit trail with their reasons, where there is one", async () => {
      const { app, folder } = await place(kind, { audit: true });
      const early = await signIn(app, "ada");
      await app.psession.flush();
      const env = { SESSION_KEYS: KEY, NOW: String(app.clock.now()) };
      const watching = startPsession({ cwd: folder, env }, "watch", "--every", "20ms", "--json");
      const next = async () => JSON.parse((await watching.lines.next()).value);
      expect((await watching.errors.next()).value).toContain("Watching the audit trail");
      const late = await signIn(app, "bob", { remember: true });
      expect(await next()).toMatchObject({
        event: "login",
        handle: late,
        userId: "bob",
        address: "192.0.2.7",
        detail: "remembered",
      });
      await app.psession.revoke(early, "suspicious");
      expect(await next()).toMatchObject({ event: "revoked", handle: early, detail: "suspicious" });
      expect(await watching.interrupt()).toBe(0);
    });

    test("prints that a session was bound to a browser's key, and what became of its proofs", async () => {
      const { app, store, folder } = await place(kind, { audit: true });
      const events = ["bound", "boundRefused", "theft"] as const;
      const shop = testApp({ store, clock: app.clock, deviceBound: {}, audit: { events: [...events] } });
      const env = { SESSION_KEYS: KEY, NOW: String(app.clock.now()) };
      const watching = startPsession({ cwd: folder, env }, "watch", "--every", "20ms");
      expect((await watching.errors.next()).value).toContain("Watching the audit trail");
      const rows = startPsession({ cwd: folder, env }, "watch", "--rows", "--every", "20ms");
      expect((await rows.errors.next()).value).toContain("Watching 0 sessions");
      const next = async ({ lines }: typeof rows) => (await lines.next()).value.replaceAll(/ {2,}/g, "  ");
      const browser = new TestBrowser(shop);
      const { session } = await browser.visit((session) => session.login("ada"));
      const { handle } = session;
      expect(await next(rows)).toContain(`new  ${handle}  user ada  login  192.0.2.7`);
      await bindKey(browser, session);
      // One device with another level, and no session of nobody's.
      expect(await next(rows)).toContain(`changed  ${handle}  user ada  device-bound  192.0.2.7`);
      expect(await next(watching)).toContain(`bound  user ada  ${handle}  192.0.2.7  ES256`);
      await proveKey(browser, new KeyHolder());
      const told = [await next(watching), await next(watching)].map((line) => line.split("Z  ")[1]).sort();
      expect(told).toEqual([
        `boundRefused  user ada  ${handle}  192.0.2.7  signature`,
        `theft  user ada  ${handle}  192.0.2.7  proof`,
      ]);
      expect(await next(rows)).toContain(`ended  ${handle}  user ada`);
      expect([await watching.interrupt(), await rows.interrupt()]).toEqual([0, 0]);
    });
  });
}

test("a store with more than 10,000 sessions is refused", async () => {
  const { run, sql, app } = await place(KINDS["sqlite"] as never);
  await signIn(app, "ada");
  const columns = Object.values(TABLES.sessions.spec).map(([column]) => column);
  const copied = columns.map((column) => (column === "id" ? `printf('%018d', at) || '${NO_REALM}'` : column));
  await sql(`WITH RECURSIVE numbers(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM numbers WHERE at < 10001)
    INSERT INTO psession_sessions SELECT ${copied.join(", ")} FROM psession_sessions, numbers`);
  expect(await run("watch")).toMatchObject({ code: 1, stderr: expect.stringContaining("more than 10000") });
});
