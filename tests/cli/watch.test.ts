import { expect, test } from "vitest";
import { NO_REALM } from "../../src/protocol/secrets.ts";
import { TABLES } from "../../src/stores/sql/schema.ts";
import { KEY } from "../support/app.ts";
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
