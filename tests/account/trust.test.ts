import { describe, expect, test } from "vitest";
import { type Change, memoryStore, PsessionError } from "../../src/index.ts";
import { receive, signInCarrying, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE, TestClock } from "../support/clock.ts";
import { intercepted } from "../support/stores.ts";

const TRUST = "__Host-psession-trust";

async function trusting(remember = false) {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit(async (session) => {
    await session.login("ada", { method: "password", remember });
    await session.trust({ for: "30d" });
  });
  return { app, ada };
}

async function signInTrusting(session: TestSession) {
  await session.login("ada");
  await session.trust();
}

/** Copied before the browser came back on two days: the copy accuses. */
async function copiedLongAgo({ app, ada }: Trusting) {
  const copied = ada.copyJar();
  for (let day = 0; day < 2; day++) {
    ada.restart();
    app.clock.advance(DAY);
    await ada.visit();
    app.clock.advance(5 * MINUTE);
    await ada.visit();
  }
  copied.delete("__Host-psession");
  return copied;
}

const trusted = async (browser: TestBrowser, userId = "ada", options = {}) =>
  (await browser.visit((session) => session.isTrusted(userId), options)).result;

function cookieOf({ jar }: TestBrowser, name = TRUST) {
  const cookie = jar.get(name);
  if (cookie === undefined) throw new Error(`no ${name}`);
  return cookie;
}

describe("a browser that its user trusts", () => {
  test("is known at the next sign-in, after a logout and to the last day", async () => {
    const { app, ada } = await trusting();
    await ada.visit((session) => session.logout());
    ada.restart();
    app.clock.advance(30 * DAY);
    await ada.visit(async (session) => {
      await session.begin("ada", { method: "password" });
      expect(await session.isTrusted()).toBe(true);
      await session.complete();
      expect(await session.isTrusted()).toBe(true);
    });
    app.clock.advance(1);
    expect(await trusted(ada)).toBe(false);
  });

  test("is that of one user: to another, and in another browser, it is worth nothing", async () => {
    const { app, ada } = await trusting();
    expect(await trusted(ada, "bob")).toBe(false);
    expect(await trusted(new TestBrowser(app))).toBe(false);
    const bob = new TestBrowser(app);
    await bob.visit((session) => session.login("bob"));
    bob.jar.set(TRUST, cookieOf(ada));
    expect((await bob.visit((session) => session.isTrusted())).result).toBe(false);
  });

  test("is asked for by one read, and only where the browser sends such a cookie", async () => {
    const { ada } = await trusting();
    expect(await trusted(ada)).toBe(true);
    expect(await trusted(ada, "ada", { cookie: undefined })).toBe(false);
  });

  test("has a cookie of its own: none of the others has its place, nor it theirs", async () => {
    const { app, ada } = await trusting(true);
    for (const name of ["__Host-psession", "__Host-psession-remember"]) {
      const swapped = new Map([[name, cookieOf(ada)]]);
      expect((await new TestBrowser(app).visit((s) => s.userId, { jar: swapped })).result).toBeUndefined();
      expect(
        await trusted(new TestBrowser(app), "ada", { jar: new Map([[TRUST, cookieOf(ada, name)]]) }),
      ).toBe(false);
    }
    expect(app.told()).not.toContain("theft");
  });

  test("ends with a changed factor, on this browser too", async () => {
    const { app, ada } = await trusting();
    await ada.visit(async (session) => {
      await app.psession.passwordChanged("ada", { keep: session, factor: "otp" });
    });
    expect((await ada.visit((session) => session.userId)).result).toBe("ada");
    expect(await trusted(ada)).toBe(false);
  });

  test("stays with a changed password on the browser that is kept, under a new secret, and ends on others", async () => {
    const { app, ada } = await trusting();
    const phone = new TestBrowser(app);
    await phone.visit(signInTrusting);
    app.clock.advance(HOUR);
    const copied = ada.copyJar();
    await ada.visit(async (session) => {
      await app.psession.passwordChanged("ada", { keep: session });
    });
    expect(await trusted(ada)).toBe(true);
    expect(await trusted(phone)).toBe(false);
    expect(await trusted(new TestBrowser(app), "ada", { jar: copied })).toBe(false);
    app.clock.advance(30 * DAY - HOUR);
    expect(await trusted(ada)).toBe(true);
    app.clock.advance(1);
    expect(await trusted(ada), "it ends when it would have").toBe(false);
  });

  test.each([
    ["a revoked user", (app: Trusting["app"]) => app.psession.revokeUser("ada")],
    ["everyone's end", (app: Trusting["app"]) => app.psession.revokeEveryone()],
    ["a password that was reset elsewhere", (app: Trusting["app"]) => app.psession.passwordChanged("ada")],
  ])("ends with %s", async (_, end) => {
    const { app, ada } = await trusting();
    await end(app);
    expect(await trusted(ada)).toBe(false);
  });

  test("ends with its device, by the user and by the support", async () => {
    for (const support of [false, true]) {
      const { app, ada } = await trusting(true);
      const other = new TestBrowser(app);
      await other.visit((session) => session.login("ada"));
      const [device] = (await app.psession.devices("ada")).filter(
        ({ trustedUntil }) => trustedUntil !== undefined,
      );
      const handle = device?.handle ?? "";
      if (support) expect(await app.psession.revoke(handle)).toBe(true);
      else expect((await other.visit((session) => session.revoke(handle))).result).toBe(true);
      expect(await trusted(ada)).toBe(false);
    }
  });

  test("stays where the user ends all other devices, which are then trusted no more", async () => {
    const { app, ada } = await trusting();
    const phone = new TestBrowser(app);
    await phone.visit(signInTrusting);
    app.events.length = 0;
    expect((await ada.visit((session) => session.revokeOthers())).result, "one device").toBe(1);
    const handles = app.events.flatMap((event) => (event.type === "revoked" ? event.handle : []));
    expect(handles, "the phone and its trust").toHaveLength(2);
    expect((await ada.visit((session) => session.revokeOthers())).result, "nothing is left to end").toBe(0);
    expect([await trusted(ada), await trusted(phone)]).toEqual([true, false]);
    await phone.visit((session) => session.login("ada"));
    await phone.visit(signInTrusting);
    expect(await app.psession.passwordChanged("ada"), "trust in them is no device").toBe(2);
    expect(await app.psession.revokeUser("ada")).toBe(0);
  });

  test("ends with a theft", async () => {
    const { app, ada } = await trusting(true);
    const copied = await copiedLongAgo({ app, ada });
    await new TestBrowser(app).visit(() => {}, { jar: copied });
    expect(app.told()).toContain("theft");
    expect(await trusted(ada)).toBe(false);
  });

  test("is shown with its device, and by itself once nobody is signed in there", async () => {
    const { app, ada } = await trusting();
    const until = app.clock.now() + 30 * DAY;
    expect(await app.psession.devices("ada")).toMatchObject([{ trustedUntil: until, level: "login" }]);
    await ada.visit((session) => session.logout());
    const [entry, ...others] = await app.psession.devices("ada");
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ trustedUntil: until, level: "anonymous", label: expect.any(String) });
    expect(await app.psession.revoke(entry?.handle ?? "")).toBe(true);
    expect(await trusted(ada)).toBe(false);
  });

  test("belongs to the device of the next sign-in on it, and ends with that", async () => {
    for (const remember of [false, true]) {
      const { app, ada } = await trusting();
      await ada.visit((session) => session.logout());
      app.clock.advance(MINUTE);
      await ada.visit((session) => session.begin("ada", { method: "password" }));
      await ada.visit(async (session) => {
        expect(await session.isTrusted()).toBe(true);
        await session.complete({ remember });
      });
      const devices = await app.psession.devices("ada");
      expect(devices).toMatchObject([{ level: "login", trustedUntil: expect.any(Number) }]);
      expect(await app.psession.revoke(devices[0]?.handle ?? "")).toBe(true);
      expect(await trusted(ada)).toBe(false);
      expect(await app.psession.devices("ada")).toEqual([]);
    }
  });

  test("ends where its user ends the device at hand in the list, and stays at a plain sign-out", async () => {
    const { app, ada } = await trusting();
    await ada.visit((session) => session.revoke(session.handle));
    expect(await trusted(ada)).toBe(false);
    expect(await app.psession.devices("ada")).toEqual([]);
  });

  test("counts as no device: limits, and the data of the latest session, are as without it", async () => {
    const app = testApp({ devices: { max: 1, overflow: "refuse" } });
    const ada = new TestBrowser(app);
    await ada.visit(async (session) => {
      expect(await session.login("ada")).toBe("signed_in");
      await session.trust();
    });
    await ada.visit((session) => session.logout());
    const phone = new TestBrowser(app);
    expect((await phone.visit(signInCarrying)).result).toEqual(["signed_in", undefined]);
  });

  test("trusted again has one record", async () => {
    const { app, ada } = await trusting();
    await ada.visit((session) => session.trust({ for: "7d" }));
    const until = app.clock.now() + 7 * DAY;
    expect(await app.psession.devices("ada")).toMatchObject([{ trustedUntil: until }]);
    await ada.visit(async (session) => {
      expect(await session.distrust()).toBe(true);
      expect(await session.distrust()).toBe(false);
    });
    expect(await app.psession.devices("ada")).toMatchObject([{ trustedUntil: undefined }]);
    expect(ada.jar.has(TRUST)).toBe(false);
  });
});

type Trusting = Awaited<ReturnType<typeof trusting>>;

test("trust needs a proof within the last hour, by a user who is signed in", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  const refused = async (code: string, before: (session: TestSession) => unknown = () => {}) => {
    await ada.visit(async (session) => {
      await before(session);
      await expect(session.trust()).rejects.toMatchObject({ code });
    });
  };
  await refused("not_signed_in");
  await refused("not_signed_in", (session) => session.begin("ada"));
  await ada.visit((session) => session.login("ada", { remember: true }));
  app.clock.advance(HOUR + 1);
  await refused("proof_outdated");
  ada.restart();
  app.clock.advance(DAY);
  await refused("not_signed_in");
});

test("who changed the password here may trust this browser afterwards, in a later request as well", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada"));
  app.clock.advance(MINUTE);
  const visit = await ada.open();
  await app.psession.passwordChanged("ada", { keep: visit.session });
  app.clock.advance(1);
  await visit.answer();
  app.clock.advance(MINUTE);
  await ada.visit((session) => session.trust());
  expect(await trusted(ada)).toBe(true);
});

test("trust that races with a changed factor does not outlive it, whichever comes first", async () => {
  for (const trustFirst of [true, false]) {
    const app = testApp();
    const ada = new TestBrowser(app);
    await ada.visit((session) => session.login("ada"));
    app.clock.advance(1000);
    const visit = await ada.open();
    const change = () => app.psession.passwordChanged("ada", { factor: "otp" });
    if (trustFirst) await visit.session.trust();
    await change();
    if (!trustFirst) await expect(visit.session.trust()).rejects.toMatchObject({ code: "proof_outdated" });
    for (const line of await visit.answer()) receive(ada.jar, line);
    expect(await trusted(ada)).toBe(false);
  }
});

test("a browser that is to keep its trust loses it to a factor that is changed meanwhile", async () => {
  const clock = new TestClock();
  const inner = memoryStore();
  let change: (() => Promise<unknown>) | undefined;
  const store = intercepted(inner, async (name, call, [given]) => {
    const isEnd = name === "apply" && (given as Change).kind === "revoke" && change !== undefined;
    const result = await call();
    if (isEnd) {
      const now = change;
      change = undefined;
      clock.advance(1000);
      await now?.();
      clock.advance(1000);
    }
    return result;
  });
  const app = testApp({ store, clock });
  const ada = new TestBrowser(app);
  await ada.visit(async (session) => {
    await session.login("ada", { method: "password" });
    await session.trust();
  });
  clock.advance(1000);
  change = () => app.psession.passwordChanged("ada", { factor: "otp" });
  await ada.visit((session) => session.revokeOthers());
  expect(await trusted(ada)).toBe(false);
});

test("trust that races with the end of its device does not outlive it, whoever comes first", async () => {
  for (const before of ["device", "record"] as const) {
    const app = testApp();
    const ada = new TestBrowser(app);
    await ada.visit((session) => session.login("ada", { remember: true }));
    const [device] = await app.psession.devices("ada");
    const visit = await ada.open();
    const { store } = app.psession.core.settings;
    const list = store.list.bind(store);
    let trusting: Promise<unknown> = Promise.resolve();
    const trust = () => visit.session.trust().catch((error: unknown) => error);
    if (before === "record") {
      // Listed before the record is stored, which is stored before the device is answered to have ended.
      store.list = async (...whose) => {
        const entries = await list(...whose);
        trusting = trust();
        await trusting;
        return entries;
      };
    }
    expect(await app.psession.revoke(device?.handle ?? "")).toBe(true);
    store.list = list;
    if (before === "device") trusting = trust();
    expect(await trusting).toMatchObject({ code: "not_signed_in", status: 401 });
    for (const line of await visit.answer()) receive(ada.jar, line);
    expect(await trusted(ada)).toBe(false);
    expect(await app.psession.devices("ada")).toEqual([]);
  }
});

test("trust that races with a theft ends with it", async () => {
  const { app, ada } = await trusting(true);
  const copied = await copiedLongAgo({ app, ada });
  await ada.visit((session) => session.reauthenticate());
  const visit = await ada.open();
  const { store } = app.psession.core.settings;
  const list = store.list.bind(store);
  let isFirst = true;
  store.list = async (...whose) => {
    const entries = await list(...whose);
    if (isFirst) {
      isFirst = false;
      await visit.session.trust();
    }
    return entries;
  };
  await new TestBrowser(app).visit(() => {}, { jar: copied });
  expect(app.told()).toContain("theft");
  for (const line of await visit.answer()) receive(ada.jar, line);
  expect(await trusted(ada)).toBe(false);
});

test("trust ends where the support ends its device by the id of the session", async () => {
  const { app, ada } = await trusting(true);
  const { result: id } = await ada.visit((session) => session.id);
  expect(await app.psession.revoke(id)).toBe(true);
  expect(await trusted(ada)).toBe(false);
});

test("trust ends with its device by the id of the session also after the secrets were renewed", async () => {
  const { app, ada } = await trusting(true);
  app.clock.advance(MINUTE);
  await ada.visit((session) => session.renew());
  const { result: id } = await ada.visit((session) => session.id);
  expect(await app.psession.revoke(id)).toBe(true);
  expect(await trusted(ada)).toBe(false);
  expect(await app.psession.devices("ada")).toEqual([]);
});

test("a changed password has all its consequences where the kept trust cannot be stored anew", async () => {
  let isDown = false;
  const store = intercepted(memoryStore(), async (name, call, values) => {
    const [change] = values as [{ readonly kind?: string } | undefined];
    if (isDown && name === "apply" && change?.kind === "signIn")
      throw new PsessionError("store_unavailable", "the store is down");
    return call();
  });
  const app = testApp({ store });
  const [ada, phone] = [new TestBrowser(app), new TestBrowser(app)];
  await phone.visit((session) => session.login("ada"));
  await ada.visit(signInTrusting);
  const copied = ada.copyJar();
  app.clock.advance(MINUTE);
  await ada.visit(async (session) => {
    isDown = true;
    expect(await app.psession.passwordChanged("ada", { keep: session })).toBe(1);
    isDown = false;
  });
  expect(app.told()).toEqual(expect.arrayContaining(["storeUnavailable", "credentialChanged", "rotated"]));
  expect((await ada.visit((session) => session.userId)).result).toBe("ada");
  expect(await trusted(ada)).toBe(false);
  const thief = new TestBrowser(app);
  expect((await thief.visit((session) => session.userId, { jar: copied })).result).toBeUndefined();
});

test("a second step that is refused trusts nothing, and a secret that was replaced neither", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.begin("ada"));
  const [one, other] = [await ada.open(), await ada.open()];
  await one.session.complete();
  await other.session.complete();
  for (const line of await one.answer()) receive(ada.jar, line);
  await expect(other.session.trust()).rejects.toMatchObject({ code: "nothing_pending" });
  const old = await ada.open();
  await ada.visit((session) => session.renew());
  await expect(old.session.trust()).rejects.toMatchObject({ code: "not_signed_in" });
  expect(await app.psession.devices("ada")).toMatchObject([{ trustedUntil: undefined }]);
});

test.each([0, -1, "401d", "long", null, {}])("for: %j is refused", async (time) => {
  await new TestBrowser(testApp()).visit(async (session) => {
    await session.login("ada");
    await expect(session.trust({ for: time as number })).rejects.toMatchObject({ code: "invalid_options" });
  });
});

test("isTrusted without a user is an error, and so is an id of the wrong kind", async () => {
  await new TestBrowser(testApp()).visit(async (session) => {
    await expect(session.isTrusted()).rejects.toMatchObject({ code: "nothing_pending" });
    await expect(session.isTrusted(Number.NaN)).rejects.toMatchObject({ code: "invalid_user_id" });
  });
});

test("a response that can carry no cookie refuses to trust", async () => {
  const app = testApp();
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada"));
  await ada.visit(
    async (session) => {
      await expect(session.trust()).rejects.toMatchObject({ code: "headers_already_sent" });
    },
    { canSetCookies: false },
  );
  expect(await app.psession.devices("ada")).toMatchObject([{ trustedUntil: undefined }]);
});
