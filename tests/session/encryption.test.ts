import { expect, test } from "vitest";
import {
  createPsession,
  memoryStore,
  type PsessionOptions,
  type SessionRow,
  type Store,
} from "../../src/index.ts";
import type { ChangeParts } from "../../src/stores/store.ts";
import { KEY, TestBrowser, testApp } from "../support/app.ts";
import { intercepted } from "../support/stores.ts";

const ENCRYPTION_KEY = "Vt7Hq2Zx9Mb4Kd8Ws3Yf6Lc1Np5Rj0Ga";
const OLDER_ENCRYPTION_KEY = "Ue6Gp1Yw8La3Jc7Vr2Xe5Kb0Mo4Qi9Fz";

/** A store that shows what it is given, and can be made to give something else. */
const watched = () => {
  const rows = new Map<string, SessionRow>();
  const forged = new Map<string, Partial<SessionRow>>();
  const inner = memoryStore();
  const store: Store = intercepted(inner, async (name, call, values) => {
    const result = await call();
    if (name === "apply") {
      const { insert, update } = values[0] as ChangeParts;
      const id = insert?.id ?? update?.id ?? "";
      const row = await inner.findSession(id);
      if (row !== undefined) rows.set(id, row);
    }
    if (name !== "findSession" || result === undefined) return result;
    return { ...(result as SessionRow), ...forged.get((result as SessionRow).id) };
  });
  return { store, rows, forged };
};

const start = (store: Store, options: Partial<PsessionOptions> = {}) => {
  const app = testApp({ store, encryption: { keys: [ENCRYPTION_KEY] }, ...options });
  return { app, browser: new TestBrowser(app) };
};

test("the store sees nothing of the data, and no two saves alike", async () => {
  const { store, rows } = watched();
  const { browser } = start(store);
  const { session } = await browser.visit((session) => session.set("name", "a secret"));
  const first = rows.get(session.id)?.data ?? "";
  await browser.visit((session) => session.set("count", 1));
  await browser.visit((session) => session.set({ name: "a secret" }));
  const second = rows.get(session.id)?.data ?? "";
  expect(first).toMatch(/^enc1\./);
  for (const text of [first, second]) {
    const body = Buffer.from(text.split(".")[2] ?? "", "base64url").toString("latin1");
    expect(text + body).not.toContain("secret");
  }
  expect(second).not.toBe(first);
  expect((await browser.visit()).session.data).toEqual({ name: "a secret", count: 1 });
});

test("reading costs no write", async () => {
  const calls: string[] = [];
  const { browser } = start(
    intercepted(memoryStore(), (name, call) => {
      calls.push(name);
      return call();
    }),
  );
  await browser.visit((session) => session.set("name", "Ada"));
  calls.length = 0;
  await browser.visit((session) => session.data.name);
  expect(calls).toEqual(["findSession"]);
});

test("data that was changed, or belongs to another row or another user, does not open", async () => {
  const { store, rows, forged } = watched();
  const { app, browser } = start(store);
  const other = new TestBrowser(app);
  const mine = (await browser.visit((session) => session.login("ada"))).session.id;
  const theirs = (await other.visit((session) => session.set("name", "rich"))).session.id;
  const data = rows.get(mine)?.data ?? "";
  const flipped = data.slice(0, -2) + (data.endsWith("AA") ? "BB" : "AA");
  for (const forgery of [
    { data: rows.get(theirs)?.data ?? "" },
    { data: flipped },
    { data: data.slice(0, 40) },
    { data: "enc1.AAAAAAAA.AAAA" },
    { data: '{"name":"plain"}' },
    { userId: "mallory" },
    { userId: undefined },
  ]) {
    forged.set(mine, forgery);
    const visit = browser.visit((session) => session.data);
    await expect(visit, JSON.stringify(forgery)).rejects.toMatchObject({ code: "data_unreadable" });
  }
  forged.clear();
  expect((await browser.visit()).session.userId).toBe("ada");
});

test("a fault of the data says nothing of it, and leaves the cookies alone", async () => {
  const { store, forged } = watched();
  const { browser } = start(store);
  const { session } = await browser.visit((session) => session.set("name", "Ada"));
  const before = browser.copyJar();
  forged.set(session.id, { data: '{"name":"a secret"}' });
  const error: unknown = await browser.visit().catch((error: unknown) => error);
  expect(String(error)).not.toContain("a secret");
  expect(browser.jar).toEqual(before);
});

test("keys rotate: the first encrypts, all decrypt", async () => {
  const { store, rows } = watched();
  const before = start(store, { encryption: { keys: [OLDER_ENCRYPTION_KEY] } });
  const { session } = await before.browser.visit((session) => session.set("name", "Ada"));
  const after = start(store, {
    encryption: { keys: [ENCRYPTION_KEY, OLDER_ENCRYPTION_KEY] },
    clock: before.app.clock,
  });
  after.browser.jar = before.browser.copyJar();
  expect((await after.browser.visit((session) => session.set("count", 1))).session.data.name).toBe("Ada");
  expect(rows.get(session.id)?.data.split(".")[1]).not.toBe(undefined);
  const alone = start(store, { clock: before.app.clock });
  alone.browser.jar = before.browser.copyJar();
  expect((await alone.browser.visit()).session.data).toEqual({ name: "Ada", count: 1 });
  const lost = start(store, { encryption: { keys: [OLDER_ENCRYPTION_KEY] }, clock: before.app.clock });
  lost.browser.jar = before.browser.copyJar();
  await expect(lost.browser.visit()).rejects.toThrow(/not among encryption.keys/);
});

test("switched on over rows that are plain, it takes them in and encrypts them as they are saved", async () => {
  const { store, rows } = watched();
  const before = start(store, { encryption: undefined as never });
  const { session } = await before.browser.visit((session) => session.set("name", "Ada"));
  expect(rows.get(session.id)?.data).toBe('{"name":"Ada"}');
  const encryption = { keys: [ENCRYPTION_KEY], acceptPlainText: true };
  const after = start(store, { encryption, clock: before.app.clock });
  after.browser.jar = before.browser.copyJar();
  await after.browser.visit((session) => session.set("count", 1));
  expect(rows.get(session.id)?.data).toMatch(/^enc1\./);
  expect((await after.browser.visit()).session.data).toEqual({ name: "Ada", count: 1 });
});

test("a sign-in reads the user's other session, and a restore brings the browser's own back", async () => {
  const { app, browser } = start(memoryStore());
  const other = new TestBrowser(app);
  await other.visit((session) => {
    session.set("cart", ["tea"]);
    return session.login("ada");
  });
  await browser.visit(async (session) => {
    session.set("cart", ["milk"]);
    await session.login("ada", {
      remember: true,
      carry: (present, previous) => ({ cart: [...(previous?.cart ?? []), ...(present.cart ?? [])] }),
    });
  });
  browser.restart();
  const { session } = await browser.visit();
  expect([session.level, session.data]).toEqual(["remembered", { cart: ["tea", "milk"] }]);
});

test("keys of cookies are not taken for data as well", () => {
  const options = { store: memoryStore(), keys: [KEY], encryption: { keys: [KEY] } };
  expect(() => createPsession(options)).toThrow(/nothing in common/);
});
