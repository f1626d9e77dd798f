import { expect, onTestFinished, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { locksOf } from "../../src/stores/locks.ts";
import { sessionRow, T0 } from "../../src/testing/rows.ts";
import { claimPrune } from "../../src/upkeep/prune.ts";
import { describeWith } from "../support/servers/reach.ts";
import type { Naming, Place } from "./fixtures.ts";
import { catalog, representatives } from "./naming/places.ts";

interface Unmigrated extends Naming {
  readonly migrate?: boolean;
}

/** SQLite's store looks at its tables when it is made. */
const unmigrated = (place: Place, naming: Unmigrated = {}): Promise<Store> =>
  place.connect({ ...naming, migrate: false } as Naming);

const remade = async (place: Place, naming: Naming): Promise<readonly string[]> =>
  (await unmigrated(place, naming)).migrate?.({ remakesEmpty: true }) ?? [];

for (const backend of representatives) {
  describeWith(backend.needs, `tables that other options made: ${backend.name}`, () => {
    const freshPlace = async (naming: Naming = {}): Promise<{ place: Place; store: Store }> => {
      const place = await backend.open();
      onTestFinished(() => place.close());
      const store = await place.connect(naming);
      await store.migrate?.();
      return { place, store };
    };
    /** What is tried, and leaves everything as it is; gives what was said. */
    const refused = async (place: Place, naming: Naming): Promise<string> => {
      const before = await catalog(backend, place);
      const error = await remade(place, naming).then(
        () => undefined,
        (thrown: unknown) => thrown as Error,
      );
      expect(error).toMatchObject({ code: "store_not_migrated" });
      expect(await catalog(backend, place)).toEqual(before);
      return error?.message ?? "";
    };
    const were = backend.dialect === "sqlite" ? "any" : "text";

    test("are refused with the option that differs, and what to do", async () => {
      const { place } = await freshPlace();
      const told: readonly (readonly [Naming, RegExp])[] = [
        [
          { userIds: "integer" },
          new RegExp(`userIds was "${were}", and is "integer" here.*psession migrate`),
        ],
        [{ userIds: "uuid" }, new RegExp(`userIds was "${were}", and is "uuid" here`)],
        [{ timestamps: "datetime" }, /\): timestamps was "integer", and is "datetime" here\. Change/],
        [
          { userIds: "integer", timestamps: "datetime" },
          new RegExp(`userIds was "${were}", and is "integer" here; timestamps was "integer"`),
        ],
        [{ tables: { sessions: "others" } }, /\): tables named them otherwise\. Change/],
        [{ tables: { logins: { columns: { userId: "owner" } } } }, /\): tables named them otherwise/],
      ];
      for (const [naming, message] of told) {
        const store = await unmigrated(place, naming);
        await expect(store.migrate?.()).rejects.toMatchObject({
          code: "store_not_migrated",
          message: expect.stringMatching(message),
        });
        expect((await store.admin?.inspect())?.faults).toContainEqual({
          code: "migration_changed",
          message: expect.stringMatching(message),
        });
      }
    });

    test("are made anew while they are empty, and only where that is asked for", async () => {
      const { place, store: before } = await freshPlace({ audit: true, createUsers: true });
      await claimPrune(before, T0, 1);
      // A lock that was given back leaves a row, which is none of anybody.
      await locksOf(before).acquire({ name: "lock", owner: "owner", now: T0, until: T0 + 9 });
      await locksOf(before).release("lock", "owner");
      const naming: Naming = { audit: true, createUsers: true, userIds: "integer", timestamps: "datetime" };
      await expect((await unmigrated(place, naming)).migrate?.()).rejects.toMatchObject({
        code: "store_not_migrated",
      });
      expect(await remade(place, naming)).toEqual([
        "0001-tables, made anew",
        "0001-audit, made anew",
        "0001-users, made anew",
      ]);
      expect(await remade(place, naming)).toEqual([]);
      const store = await place.connect(naming);
      expect((await store.admin?.inspect())?.faults).toEqual([]);
      const row = sessionRow({ userId: 7, level: "login", authenticatedAt: T0 });
      await store.apply({ kind: "signIn", insert: row });
      expect(await store.findSession(row.id)).toMatchObject({ id: row.id, userId: row.userId });
      // As if they had never been others. Places of one connection take its place with the last that is opened.
      const found = await catalog(backend, place);
      const fresh = await freshPlace(naming);
      expect(found).toEqual(await catalog(backend, fresh.place));
    });

    test("stay where they have rows", async () => {
      const { place, store } = await freshPlace();
      const row = sessionRow();
      await store.apply({ kind: "signIn", insert: row });
      expect(await refused(place, { userIds: "integer" })).toMatch(
        /They are not: psession_sessions has rows/,
      );
      expect(await store.findSession(row.id)).toMatchObject({ id: row.id, userId: row.userId });
    });

    test("stay where a lock is held, or the trail has entries", async () => {
      const { place, store } = await freshPlace({ audit: true });
      const lock = { name: "lock", owner: "owner", now: T0, until: T0 + 9 };
      expect(await locksOf(store).acquire(lock)).toBe(T0);
      expect(await refused(place, { audit: true, timestamps: "datetime" })).toMatch(
        /psession_locks has rows/,
      );
      await locksOf(store).release("lock", "owner");
      const entry = {
        event: "login",
        userId: "ada",
        actorId: undefined,
        handle: undefined,
        address: undefined,
        detail: undefined,
      };
      await store.audit?.append([{ ...entry, id: "entry", at: T0 }]);
      expect(await refused(place, { audit: true, timestamps: "datetime" })).toMatch(
        /psession_audit has rows/,
      );
      expect(await store.audit?.read({ limit: 9 })).toHaveLength(1);
    });

    test("stay where the users table is psession's and has users; one of the application's is never touched", async () => {
      const { place } = await freshPlace({ createUsers: true });
      await place.sql("INSERT INTO users (id, email, password) VALUES ('1', 'ada@example.com', 'x')");
      expect(await refused(place, { createUsers: true, userIds: "uuid" })).toMatch(/users has rows/);
      // Without the option the table is the application's.
      const users = async () => (await catalog(backend, place)).filter(({ table }) => table === "users");
      const before = await users();
      expect(await remade(place, { userIds: "integer" })).toEqual(["0001-tables, made anew"]);
      expect(await users()).toEqual(before);
      expect(await place.sql("SELECT email FROM users")).toEqual([{ email: "ada@example.com" }]);
    });

    test("stay where the names differ, or the columns are another application's", async () => {
      const { place } = await freshPlace();
      await place.sql("CREATE TABLE others (id int)");
      await refused(place, { userIds: "integer", tables: { sessions: "others" } });
      await refused(place, { tables: { sessions: "others" } });
      await place.sql("ALTER TABLE psession_sessions ADD COLUMN extra int");
      await refused(place, { userIds: "integer" });
    });

    test("lose no session that is stored meanwhile", async () => {
      for (let times = 0; times < 3; times++) {
        const { place, store } = await freshPlace();
        const other = backend.connections > 1 ? await unmigrated(place, { userIds: "integer" }) : undefined;
        const rows = Array.from({ length: 8 }, () => sessionRow());
        const [ran, ...stored] = await Promise.allSettled([
          other?.migrate?.({ remakesEmpty: true }) ?? remade(place, { userIds: "integer" }),
          ...rows.map((row) => store.apply({ kind: "signIn", insert: row })),
        ]);
        const reader = await unmigrated(place, ran.status === "fulfilled" ? { userIds: "integer" } : {});
        for (const [at, { status }] of stored.entries()) {
          const found = await reader.findSession(rows[at]?.id ?? "");
          if (status === "fulfilled") expect(found).toBeDefined();
        }
        const names = (await catalog(backend, place)).map(({ table }) => table);
        expect(names.filter((name) => name.includes("aside"))).toEqual([]);
      }
    });

    test("are made anew by one of several stores that migrate at once", async () => {
      const { place } = await freshPlace();
      const stores = await Promise.all(
        Array.from({ length: backend.connections }, () => unmigrated(place, { userIds: "integer" })),
      );
      const ran = await Promise.all(stores.map((store) => store.migrate?.({ remakesEmpty: true })));
      expect(ran.flat()).toEqual(["0001-tables, made anew"]);
    });

    test("that another script made are reported by their types", async () => {
      const { place } = await freshPlace();
      await place.sql("DELETE FROM psession_meta");
      const store = await unmigrated(place, { userIds: "integer", timestamps: "datetime" });
      const faults = (await store.admin?.inspect())?.faults ?? [];
      const of = (table: string) =>
        faults
          .filter(({ message }) => message.startsWith(`The column ${table}.`))
          .map(({ message }) => message);
      const users = /psession_sessions\.user_id is of type .*the option userIds: "integer" means/;
      expect(of("psession_sessions")[0]).toMatch(users);
      // Dates of SQLite are text, as the type of its column says.
      expect(of("psession_sessions")[1]).toMatch(
        /authenticated_at is of type .*timestamps: "datetime" means/,
      );
      expect(of("psession_logins")).toHaveLength(2);
    });
  });
}
