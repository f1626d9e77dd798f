import { expect, onTestFinished, test } from "vitest";
import { sessionRow, T0 } from "../../src/testing/rows.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { describeWith } from "../support/servers/reach.ts";
import type { Backend, Place } from "./fixtures.ts";
import { representatives } from "./naming/places.ts";

/** Makes a database refuse rows of a table that fulfil a condition, for what is in them. */
const REFUSING: Record<
  Backend["dialect"],
  (table: string, event: string, column: string, is: string) => string
> = {
  sqlite: (table, event, column, is) =>
    `CREATE TRIGGER refusing BEFORE ${event} ON ${table} WHEN NEW.${column} ${is} BEGIN SELECT RAISE(ABORT, 'refused'); END`,
  postgres: (table, _, column, is) =>
    `ALTER TABLE ${table} ADD CONSTRAINT refusing CHECK (NOT (${column} ${is}))`,
  mysql: (table, _, column, is) =>
    `ALTER TABLE ${table} ADD CONSTRAINT refusing CHECK (NOT (${column} ${is}))`,
};

for (const backend of representatives) {
  describeWith(backend.needs, `a database that refuses a row: ${backend.name}`, () => {
    const freshPlace = async (): Promise<Place> => {
      const place = await backend.open();
      onTestFinished(() => place.close());
      return place;
    };

    test("of the trail: the others are in it, and those that come later", async () => {
      const place = await freshPlace();
      const store = await place.connect({ audit: true });
      await store.migrate?.();
      await place.sql(REFUSING[backend.dialect]("psession_audit", "INSERT", "address", "= '203.0.113.66'"));
      const app = testApp({ store });
      const signIn = (address: string) =>
        new TestBrowser(app).visit((session) => session.login("ada"), { address });
      await Promise.all(["192.0.2.1", "203.0.113.66", "192.0.2.2"].map(signIn));
      await app.psession.flush();
      await signIn("192.0.2.3");
      await app.psession.flush();
      const trail = await app.psession.auditTrail({ userId: "ada" });
      expect(trail.map(({ address }) => address).sort()).toEqual(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
      expect(app.events.filter(({ type }) => type === "auditLost")).toMatchObject([
        { count: 1, error: expect.any(Error) },
      ]);
      await app.psession.close();
    });

    test("of touches: the others are recorded, and only its own caller gets the error", async () => {
      const place = await freshPlace();
      const store = await place.connect();
      await store.migrate?.();
      await place.sql(
        REFUSING[backend.dialect]("psession_sessions", "UPDATE", "last_seen_at", `= ${T0 + 666}`),
      );
      const rows = Array.from({ length: 9 }, () => sessionRow());
      for (const row of rows) await store.apply({ kind: "signIn", insert: row });
      const touched = await Promise.allSettled(
        rows.map(({ id, idleDeadline, pruneAfter }, at) =>
          store.touch([
            {
              sessionId: id,
              lastSeenAt: T0 + (at === 4 ? 666 : 5),
              idleDeadline,
              pruneAfter,
              remembered: undefined,
            },
          ]),
        ),
      );
      expect(touched.map(({ status }) => status)).toEqual(
        rows.map((_, at) => (at === 4 ? "rejected" : "fulfilled")),
      );
      const found = await Promise.all(rows.map(({ id }) => store.findSession(id)));
      expect(found.map((row) => row?.lastSeenAt)).toEqual(rows.map((_, at) => (at === 4 ? T0 : T0 + 5)));
    });

    test("of touches that came together: the others are recorded, and the call rejects", async () => {
      const place = await freshPlace();
      const store = await place.connect();
      await store.migrate?.();
      await place.sql(
        REFUSING[backend.dialect]("psession_sessions", "UPDATE", "last_seen_at", `= ${T0 + 666}`),
      );
      const rows = Array.from({ length: 3 }, () => sessionRow());
      for (const row of rows) await store.apply({ kind: "signIn", insert: row });
      const touches = rows.map(({ id, idleDeadline, pruneAfter }, at) => ({
        sessionId: id,
        lastSeenAt: T0 + (at === 1 ? 666 : 5),
        idleDeadline,
        pruneAfter,
        remembered: undefined,
      }));
      await expect(store.touch(touches)).rejects.toMatchObject({ name: "PsessionError" });
      const found = await Promise.all(rows.map(({ id }) => store.findSession(id)));
      expect(found.map((row) => row?.lastSeenAt)).toEqual([T0 + 5, T0, T0 + 5]);
    });
  });
}
