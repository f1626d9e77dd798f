import { expect, test } from "vitest";
import { TestBrowser, testApp } from "../support/app.ts";
import { bindKey } from "../support/bound.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";
import { describeWith } from "../support/servers/reach.ts";
import { KINDS, type Place, place, SQLITE, signIn } from "./places.ts";

for (const [name, kind] of Object.entries(KINDS)) {
  describeWith(kind.needs, `listing users and devices: ${name}`, () => {
    /** Ada at two browsers, Bob remembered and away, and somebody with a cart. */
    async function inhabited(): Promise<Place & { ada: string[]; bob: string; nobody: string }> {
      const there = await place(kind);
      const { app } = there;
      const bob = await signIn(app, "bob", { remember: true });
      app.clock.advance(DAY);
      const first = await signIn(app, "ada");
      app.clock.advance(HOUR);
      const second = await signIn(app, "ada", { remember: true });
      const { session } = await new TestBrowser(app).visit((session) => session.set("cart", ["tea"]));
      return { ...there, ada: [first, second], bob, nobody: session.id };
    }

    const handlesIn = (found: { handle: string }[]) => found.map(({ handle }) => handle).sort();

    test("users shows one user's devices, the latest first", async () => {
      const { run, ada } = await inhabited();
      const { json, code } = await run("users", "ada", "--json");
      expect(code).toBe(0);
      expect(json).toMatchObject({
        userId: "ada",
        devices: [
          {
            handle: ada[1],
            level: "login",
            isRemembered: true,
            label: "Firefox on Linux",
            address: "192.0.2.7",
          },
          { handle: ada[0], level: "login", isRemembered: false },
        ],
      });
      const { stdout } = await run("users", "ada");
      expect(stdout).toMatch(/^handle +user +level +last used/);
      expect(stdout).toContain(`${ada[1]}  ada   login, remembered  2030-01-02 01:00:00Z`);
      expect((await run("users", "eve")).stdout).toBe('User "eve" is signed in nowhere.\n');
    });

    test("users without an id counts the users who are signed in", async () => {
      const { run } = await inhabited();
      expect((await run("users", "--json")).json).toMatchObject({
        users: [
          { userId: "ada", devices: 2 },
          { userId: "bob", devices: 1 },
        ],
        total: 2,
      });
      const { stdout, stderr } = await run("users", "--limit", "1");
      expect(stdout).toMatch(/^user +devices +last used *\nada +2 +2030-01-02 01:00:00Z\n$/);
      expect(stderr).toContain("2 users signed in; --limit");
    });

    test("devices are what users have, sessions what is open", async () => {
      const { run, ada, bob, nobody } = await inhabited();
      const devices = (await run("devices", "--json")).json;
      expect(handlesIn(devices.devices)).toEqual([...ada, bob].sort());
      expect(devices.more).toBe(false);
      const sessions = (await run("sessions", "--json")).json.sessions;
      expect(sessions).toHaveLength(3);
      expect(handlesIn(sessions)).toContain(nobody);
      // Bob's session has idled out; it is there until it is pruned.
      const all = (await run("sessions", "--expired", "--json")).json.sessions;
      expect(all).toHaveLength(4);
    });

    test("filters", async () => {
      const { run, app, ada, bob, nobody } = await inhabited();
      const handles = async (...values: string[]) => {
        const { json } = await run(...values, "--json");
        return handlesIn(json.devices ?? json.sessions);
      };
      expect(await handles("devices", "--user", "ada")).toEqual([...ada].sort());
      expect(await handles("devices", "--level", "remembered")).toEqual([bob]);
      expect(await handles("sessions", "--level", "anonymous")).toEqual([nobody]);
      expect(await handles("devices", "--seen-within", "1m")).toEqual([ada[1]]);
      expect(await handles("devices", "--address", "198.51.100.1")).toEqual([]);
      expect((await run("devices", "--limit", "1", "--json")).json).toMatchObject({ more: true });
      expect((await run("devices", "--limit", "1")).stderr).toContain("1 device; there are more");
      app.clock.advance(10 * MINUTE);
      expect(await handles("devices", "--seen-within", "1m")).toEqual([]);
    });

    test("no output holds a secret, session data or a line that a browser made up", async () => {
      const { run, app } = await place(kind);
      const evil = new TestBrowser(app, "Evil\u001b[2J\u009b1m\u{e0041}/1.0 (X11; Linux)");
      await evil.visit(
        async (session) => {
          await session.login("mallory\u202e", { remember: true });
          session.set("cart", ["contents"]);
        },
        { address: "192.0.2.7\nforged  line" },
      );
      const parts = [...evil.jar.values()].flatMap(({ value }) => value.split(".").slice(1));
      const secrets = parts.filter((part) => part.length > 2);
      for (const values of [["devices"], ["sessions"], ["users"], ["stats"]]) {
        for (const format of [[], ["--json"]]) {
          const { stdout, stderr } = await run(...values, ...format);
          for (const secret of [...secrets, "contents"]) expect(stdout + stderr).not.toContain(secret);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for.
          expect(stdout.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f]|\p{Cf}/u);
          if (format.length === 0) expect(stdout).not.toMatch(/^forged/m);
          if (format.length > 0 && values[0] === "users") expect(stdout).toContain("mallory\\u202e");
          if (format.length > 0 && values[0] === "devices") expect(stdout).toMatch(/\\u009b1m\\udb40\\udc41/);
        }
      }
    });

    test("stats counts tables, sessions and hours", async () => {
      const { run, app } = await inhabited();
      const { json } = await run("stats", "--json");
      expect(json).toMatchObject({ signedIn: 2, anonymous: 1, away: 1, expired: 0, users: 2 });
      expect(json.tables).toContainEqual(expect.objectContaining({ name: "psession_sessions", rows: 4 }));
      const used = json.lastUsed.map(({ sessions }: { sessions: number }) => sessions);
      expect(used).toHaveLength(24);
      // The session of ada's first browser was used an hour and some nothing ago.
      expect(used.slice(-2)).toEqual([1, 2]);
      expect(json.lastUsed.at(-1).from).toBe(app.clock.now() - HOUR);
      const { stdout } = await run("stats");
      expect(stdout).toMatch(/^(SQLite|PostgreSQL) .*; last pruned: -/);
      expect(stdout).toMatch(/psession_logins +2 +\d/);
      expect(stdout).toContain("2 sessions of 2 users, 1 anonymous; 1 remembered login without a session");
      expect(stdout).toMatch(/┤.*[─╭╮╯╰]/);
      expect(json.events).toBeNull();
    });

    test("a browser that a user trusts is shown as that, and is no session or device where they are counted", async () => {
      const { run, app } = await place(kind);
      const browser = new TestBrowser(app);
      await browser.visit(async (session) => {
        await session.login("ada");
        await session.trust();
        await session.logout();
      });
      const handle = await signIn(app, "bob");
      await new TestBrowser(app).visit(async (session) => {
        await session.login("bob");
        await session.trust();
      });
      const levels = async (...values: string[]) => {
        const { json } = await run(...values, "--json");
        return (json.devices ?? json.sessions).map(({ level }: { level: string }) => level).sort();
      };
      const all = ["login", "login", "trust", "trust"];
      expect(await levels("devices")).toEqual(all);
      expect(await levels("sessions")).toEqual(all);
      expect(await levels("devices", "--level", "trust")).toEqual(["trust", "trust"]);
      expect(await levels("users", "ada")).toEqual(["trust"]);
      expect((await run("devices")).stderr).toContain("2 devices, 2 trusted browsers");
      expect((await run("users", "--json")).json).toMatchObject({
        users: [{ userId: "bob", devices: 2 }],
        total: 1,
      });
      const { json } = await run("stats", "--json");
      expect(json).toMatchObject({ signedIn: 2, anonymous: 0, away: 0, trusted: 2, expired: 0, users: 1 });
      expect(json.lastUsed.at(-1).sessions).toBe(2);
      expect((await run("stats")).stdout).toContain("without a session; 2 trusted browsers; 0 past");
      expect((await run("revoke", handle, "--yes", "--json")).json).toEqual({ ended: 1 });
      expect((await run("revoke", "--user", "bob", "--yes", "--json")).json).toEqual({ ended: 1 });
    });

    test("a session that is bound to a browser's key is shown as that, and the record of the key nowhere", async () => {
      const { run, app, store } = await place(kind, { audit: true });
      const shop = testApp({ store, clock: app.clock, deviceBound: {} });
      const handles: string[] = [];
      for (const remember of [false, true]) {
        const browser = new TestBrowser(shop);
        const { session } = await browser.visit((session) => session.login("ada", { remember }));
        await bindKey(browser, session);
        handles.push(session.handle);
      }
      await signIn(app, "bob");
      await new TestBrowser(app).visit((session) => session.set("count", 1));
      await shop.psession.flush();
      const since = app.clock.now();
      const ofAda = { userId: "ada", level: "device-bound", boundSince: since };
      for (const list of ["sessions", "devices"]) {
        const { json } = await run(list, "--json");
        const found: { userId?: string; level: string }[] = json[list];
        expect(found.map(({ userId, level }) => [userId, level]).sort()).toEqual([
          ...(list === "sessions" ? [[undefined, "anonymous"]] : []),
          ["ada", "device-bound"],
          ["ada", "device-bound"],
          ["bob", "login"],
        ]);
        const { json: some } = await run(list, "--level", "device-bound", "--json");
        expect(some[list]).toMatchObject([ofAda, ofAda]);
      }
      expect((await run("users", "ada", "--json")).json.devices).toMatchObject([ofAda, ofAda]);
      const { json } = await run("stats", "--json");
      expect(json).toMatchObject({ signedIn: 3, bound: 2, anonymous: 1, away: 0, expired: 0, users: 2 });
      expect(json.lastUsed.at(-1).sessions).toBe(4);
      expect(json.events.counts).toMatchObject({ login: 3, bound: 2 });
      const { stdout } = await run("stats");
      expect(stdout).toContain(
        "3 sessions of 2 users, 2 of them bound to a browser's key (67 %), 1 anonymous",
      );
      expect((await run("revoke", "--user", "ada", "--yes", "--json")).json).toEqual({ ended: 2 });
    });

    test("a session in which support acts as a user is none of that user's where they are counted", async () => {
      const { run, app } = await place(kind);
      const support = new TestBrowser(app);
      await support.visit((session) => session.login("support"));
      await support.visit((session) => session.impersonate("ada", { reason: "ticket 4711" }));
      expect((await run("users", "--json")).json).toMatchObject({
        users: [{ userId: "support", devices: 1 }],
        total: 1,
      });
      expect((await run("stats", "--json")).json).toMatchObject({ signedIn: 1, expired: 0, users: 1 });
    });

    test("stats counts thefts, recoveries and other events in the audit trail", async () => {
      const { run, app } = await place(kind, { audit: true });
      await signIn(app, "ada");
      app.clock.advance(31 * DAY);
      await signIn(app, "ada");
      const { json } = await run("stats", "--json");
      const since = app.clock.now() - 30 * DAY;
      expect(json.events).toEqual({ since, counts: { theft: 0, recovered: 0, login: 1 } });
      expect((await run("stats")).stdout).toMatch(/theft +0\nrecovered +0\nlogin +1\n/);
    });
  });
}

test("users says where the other spelling of an id is signed in", async () => {
  const { app, run } = await place(SQLITE);
  await signIn(app, "7");
  expect((await run("users", "7")).stderr).toContain('User "7" is signed in: say --text.');
  await signIn(app, 8);
  expect((await run("users", "8", "--text")).stderr).toContain("User 8 is signed in: leave --text out.");
  const revoked = await run("revoke", "--user", "7", "--yes");
  expect(revoked).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("the text of the same digits has devices"),
  });
});
