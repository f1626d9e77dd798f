import { describe, expect, test } from "vitest";
import { type Change, type LockRequest, memoryStore, type Store } from "../../src/index.ts";
import { newId, newSiblingId, realmCode, shardKeyOf } from "../../src/protocol/secrets.ts";
import { revoke } from "../../src/stores/changes.ts";
import type { ChangeParts, RevokeChange } from "../../src/stores/store.ts";
import { REMEMBER, SESSION, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { intercepted } from "../support/stores.ts";

const DEFAULT = realmCode("");
const STAFF = realmCode("staff");

const revocations = (changes: readonly Change[]): RevokeChange[] =>
  changes.filter((change) => change.kind === "revoke");

/** Customers and staff on one store with the same keys, and what the store is asked. */
function twoRealms(options: object = {}) {
  const calls: [string, unknown][] = [];
  const store = intercepted(memoryStore({ audit: true }), (name, call, [value]) => {
    calls.push([name, value]);
    return call();
  });
  const { clock } = testApp();
  const customers = testApp({ store, clock, ...options });
  const staff = testApp({ store, clock, realm: "staff", ...options });
  const asked = <T>(name: keyof Store | "acquireLock") =>
    calls.splice(0).flatMap(([called, value]) => (called === name ? [value as T] : []));
  return { customers, staff, asked };
}

const signIn = (session: TestSession) => session.login(7, { remember: true });

async function signedIn(app: ReturnType<typeof testApp>) {
  const browser = new TestBrowser(app);
  const { session } = await browser.visit(signIn);
  return { browser, id: session.id, handle: session.handle };
}

describe("ids", () => {
  test("end with the code of their realm, siblings too, and keep their tag and length", () => {
    const codes = ["", "staff", "Staff", "customers"].map(realmCode);
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) {
      expect(code).toMatch(/^[a-z0-9]{4}$/);
      const id = newId(code);
      const sibling = newSiblingId(id);
      for (const one of [id, sibling]) {
        expect(one).toMatch(/^[A-Za-z0-9_-]{22}$/);
        expect(one.endsWith(code)).toBe(true);
      }
      expect(shardKeyOf(sibling)).toBe(shardKeyOf(id));
      expect(sibling).not.toBe(id);
    }
    expect(newId().endsWith(DEFAULT)).toBe(true);
  });

  test("of sessions and logins, made in whatever way", async () => {
    const { staff } = twoRealms();
    const { browser, id, handle } = await signedIn(staff);
    const anonymous = await new TestBrowser(staff).visit((session) => session.set("count", 1));
    const renewed = await browser.visit((session) => session.renew());
    for (const one of [id, handle, anonymous.session.id, renewed.session.handle])
      expect(one.slice(-4)).toBe(STAFF);
  });
});

describe("of two realms on one store with the same keys", () => {
  test("neither takes the other's cookies, of either kind or of known browsers", async () => {
    const { customers, staff } = twoRealms({ devices: { detectNew: true } });
    const { browser } = await signedIn(customers);
    for (const name of [SESSION, REMEMBER]) {
      const jar = new Map([...browser.jar].filter(([own]) => own === name));
      const { session } = await new TestBrowser(staff).visit(undefined, { jar });
      expect([session.userId, session.outcome]).toEqual([undefined, "malformed"]);
    }
    const jar = browser.copyJar();
    await new TestBrowser(staff).visit(signIn, { jar });
    expect(staff.told()).toContain("newDevice");
  });

  test("neither knows the other's trust in a browser, nor completes a sign-in that the other began", async () => {
    const { customers, staff } = twoRealms();
    const { browser } = await signedIn(customers);
    await browser.visit((session) => session.trust());
    await new TestBrowser(staff).visit(
      async (session) => {
        expect(await session.isTrusted(7)).toBe(false);
        expect(session.pending).toBeUndefined();
      },
      { jar: browser.copyJar() },
    );
    expect(await staff.psession.devices(7)).toEqual([]);
    await staff.psession.revokeUser(7);
    expect((await browser.visit((session) => session.isTrusted())).result).toBe(true);
    const beginner = new TestBrowser(customers);
    await beginner.visit((session) => session.begin(7));
    await new TestBrowser(staff).visit(
      async (session) => {
        await expect(session.complete()).rejects.toMatchObject({ code: "nothing_pending" });
      },
      { jar: beginner.copyJar() },
    );
  });

  test("lists have their own devices only", async () => {
    const { customers, staff } = twoRealms();
    const [customer, member] = [await signedIn(customers), await signedIn(staff)];
    expect((await customers.psession.devices(7)).map(({ handle }) => handle)).toEqual([customer.handle]);
    expect((await staff.psession.devices(7)).map(({ handle }) => handle)).toEqual([member.handle]);
    const { result } = await member.browser.visit((session) => session.devices());
    expect(result.map(({ handle }) => handle)).toEqual([member.handle]);
  });

  test("a handle of the other finds no device", async () => {
    const { customers, staff, asked } = twoRealms();
    const [customer, member] = [await signedIn(customers), await signedIn(staff)];
    expect(await staff.psession.revoke(customer.handle)).toBe(false);
    expect(await staff.psession.revoke(customer.id)).toBe(false);
    const { result } = await member.browser.visit(async (session) => [
      await session.revoke(customer.handle),
      await session.nameDevice(customer.handle, "mine"),
    ]);
    expect(result).toEqual([false, false]);
    expect((await customers.psession.devices(7))[0]?.name).toBeUndefined();
    asked("apply");
    const { settings } = staff.psession.core;
    expect(await settings.store.findSession(customer.id)).toBeUndefined();
    expect(await settings.store.findRemembered(customer.handle)).toBeUndefined();
    expect(await settings.store.findSession(member.id)).toMatchObject({ userId: 7 });
    expect(asked("findSession")).toEqual([member.id]);
  });

  test("whatever ends devices, counts them or names the user's credentials says for which realm", async () => {
    const { customers, staff, asked } = twoRealms({ devices: { max: 3 } });
    for (const [app, realm] of [
      [customers, DEFAULT],
      [staff, STAFF],
    ] as const) {
      const { browser } = await signedIn(app);
      await new TestBrowser(app).visit((session) => session.login(7, { tag: "tv" }));
      const caps = asked<ChangeParts>("apply").flatMap((change) => change.caps ?? []);
      expect(caps.length).toBeGreaterThan(1);
      expect(new Set(caps.map((cap) => cap.realm))).toEqual(new Set([realm]));
      await browser.visit((session) => session.revokeOthers());
      await app.psession.revokeUser(7);
      await app.psession.passwordChanged(7);
      await app.psession.revokeEveryone();
      expect(revocations(asked("apply")).map((selector) => selector.realm)).toEqual(Array(4).fill(realm));
      const mark = { name: "mark", at: 1, until: 2 };
      const { store } = app.psession.core.settings;
      await revoke(store, { userId: 8, mark, reason: "revoked", at: 1, pruneAfter: 2 });
      const name = realm === DEFAULT ? "mark" : `${STAFF}/mark`;
      expect(revocations(asked("apply"))[0]?.mark?.name).toBe(name);
      await store.apply({ kind: "signIn", proof: { marks: ["mark"], provedAt: 1 } });
      expect(asked<ChangeParts>("apply")[0]?.proof?.marks).toEqual([name]);
    }
  });

  test("locks of one name are two", async () => {
    const { customers, staff, asked } = twoRealms();
    const held = [await customers.psession.lock("mail"), await staff.psession.lock("mail", { wait: 0 })];
    for (const lock of held) await lock.release();
    for (const app of [customers, staff]) await (await app.psession.lock("mail", { wait: 0 })).release();
    expect(new Set(asked<LockRequest>("acquireLock").map(({ name }) => name))).toEqual(
      new Set(["app/mail", `${STAFF}/app/mail`]),
    );
  });

  test("a sign-in carries nothing over from the other", async () => {
    const { customers, staff } = twoRealms();
    await new TestBrowser(customers).visit(async (session) => {
      session.push("cart", "book");
      await session.login(7);
    });
    const seen: unknown[] = [];
    const carry = (own: object, previous: unknown) => {
      seen.push(previous);
      return own;
    };
    await new TestBrowser(staff).visit((session) => session.login(7, { carry }));
    await new TestBrowser(customers).visit((session) => session.login(7, { carry }));
    expect(seen).toEqual([undefined, { cart: ["book"] }]);
  });

  test("the audit trail of each has its own entries, however many of the other's lie between", async () => {
    const { customers, staff } = twoRealms();
    await signedIn(staff);
    for (let count = 0; count < 120; count++) await signedIn(customers);
    await signedIn(staff);
    await Promise.all([customers, staff].map(({ psession }) => psession.flush()));
    const entries = await staff.psession.auditTrail({ userId: 7, limit: 2 });
    expect(entries.map(({ handle }) => handle?.slice(-4))).toEqual([STAFF, STAFF]);
    const [first] = await staff.psession.auditTrail({ limit: 1 });
    expect(first).toEqual(entries[0]);
    expect(await staff.psession.auditTrail({ before: entries[1]?.id })).toEqual([]);
    await staff.psession.passwordChanged(7);
    expect((await staff.psession.auditTrail({ userId: 7 })).map(({ event }) => event)).toContain(
      "credentialChanged",
    );
    const theirs = await customers.psession.auditTrail({ userId: 7, limit: 1000 });
    expect(theirs.map(({ event }) => event)).not.toContain("credentialChanged");
    expect(theirs).toHaveLength(120);
  });

  test("encrypted data of one does not open in a row of the other", async () => {
    const { staff } = twoRealms({ encryption: { keys: ["Vt7Hq2Zx9Mb4Kd8Ws3Yf6Lc1Np5Rj0Ga"] } });
    const { encryption } = staff.psession.core.settings;
    const id = newId(STAFF);
    const encrypted = encryption?.encrypt("text", { id, userId: 7 }) ?? "";
    expect(() => encryption?.decrypt(encrypted, { id: id.slice(0, -4) + DEFAULT, userId: 7 })).toThrow();
  });
});
