import { describe, expect, test } from "vitest";
import { memoryStore } from "../../src/index.ts";
import { runInRequest } from "../../src/request/context.ts";
import { SESSION, signInCarrying, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { DAY, HOUR, MINUTE } from "../support/clock.ts";

const ACTING = "__Host-psession-acting";
const WHY = { reason: "ticket 4711; by phone" };

async function acting({ remember = false, ...options }: { remember?: boolean; audit?: true } = {}) {
  const app = testApp({ store: memoryStore({ audit: options.audit ?? false }) });
  const admin = new TestBrowser(app);
  await admin.visit(async (session) => {
    await session.login("admin", { remember, method: "password" });
    session.set("name", "Admin");
  });
  const ada = new TestBrowser(app);
  await ada.visit(async (session) => {
    await session.login("ada", { remember: true });
    session.set("name", "Ada");
  });
  app.clock.advance(MINUTE);
  await admin.visit((session) => session.impersonate("ada", WHY));
  return { app, admin, ada };
}

const who = async (browser: TestBrowser, options = {}) =>
  (await browser.visit(({ userId, actor }) => [userId, actor?.userId], options)).result;

describe("an administrator whose impersonation is over", () => {
  const post = { safe: false, navigation: true };
  const ends = {
    "its time": ({ app }: Awaited<ReturnType<typeof acting>>) => app.clock.advance(HOUR),
    "the customer is revoked": ({ app }: Awaited<ReturnType<typeof acting>>) =>
      app.psession.revokeUser("ada"),
  };
  for (const [name, end] of Object.entries(ends)) {
    test(`sends a form that was meant for the customer: it is nobody's (${name})`, async () => {
      const scene = await acting();
      await end(scene);
      const { result, setCookie } = await scene.admin.visit(async (session) => {
        expect(await session.stopImpersonating()).toBe(false);
        await expect(async () => {
          session.set("name", "changed");
          await session.save();
        }).rejects.toMatchObject({ code: "session_ended" });
        return [session.userId, session.isSignedIn];
      }, post);
      expect(result).toEqual([undefined, false]);
      expect(setCookie).toEqual([expect.stringMatching(/^__Host-psession-acting=; .*Max-Age=0/)]);
      expect(await who(scene.admin)).toEqual(["admin", undefined]);
      expect((await scene.admin.visit((session) => session.data.name)).result).toBe("Admin");
    });
  }

  test("and whom a remember cookie brings back does not send it either; the next page makes it the administrator's own browser again", async () => {
    const { app, admin } = await acting({ remember: true });
    app.clock.advance(3 * DAY);
    expect(await who(admin, post)).toEqual([undefined, undefined]);
    await admin.visit(undefined, { navigation: true });
    expect(admin.jar.has(ACTING)).toBe(false);
    expect(await who(admin, post)).toEqual(["admin", undefined]);
  });

  test("signs in anew by a script, and goes on as nobody else", async () => {
    const { app, admin } = await acting();
    await app.psession.revokeUser("admin");
    app.clock.advance(MINUTE);
    const byScript = { safe: false, navigation: false };
    await admin.visit((session) => session.login("admin"), byScript);
    expect(await who(admin, byScript)).toEqual(["admin", undefined]);
    expect(admin.jar.has(ACTING)).toBe(false);
  });

  test("can sign out by a form all the same", async () => {
    const scene = await acting();
    scene.app.clock.advance(HOUR);
    const copied = scene.admin.copyJar();
    await scene.admin.visit((session) => session.logout(), post);
    expect(scene.admin.jar.size).toBe(0);
    expect(
      (await new TestBrowser(scene.app).visit((session) => session.userId, { jar: copied })).result,
    ).toBe(undefined);
  });
});

describe("an administrator who acts as a customer", () => {
  test("is the customer for every page, says who acts, and is back when it stops", async () => {
    const { app, admin } = await acting();
    await admin.visit((session) => {
      expect([session.userId, session.level, session.isSignedIn]).toEqual(["ada", "login", true]);
      expect(session.actor).toEqual({
        userId: "admin",
        reason: WHY.reason,
        since: app.clock.now(),
        until: app.clock.now() + 30 * MINUTE,
      });
      expect(session.data, "neither the customer's data nor the administrator's").toEqual({});
      session.set("note", "seen");
    });
    expect((await admin.visit((session) => session.get("note"))).result).toBe("seen");
    await admin.visit(async (session) => {
      expect(await session.stopImpersonating()).toBe(true);
      expect([session.userId, session.actor, session.data.name]).toEqual(["admin", undefined, "Admin"]);
      expect(await session.stopImpersonating()).toBe(false);
    });
    await admin.visit((session) => {
      expect([session.userId, session.data]).toEqual(["admin", { name: "Admin" }]);
    });
    expect(admin.jar.has(ACTING)).toBe(false);
  });

  test("acts at once in the request that begins it, and what was set before is the administrator's", async () => {
    const { admin } = await acting();
    await admin.visit((session) => session.stopImpersonating());
    await admin.visit(async (session) => {
      session.set("count", 1);
      await session.impersonate("ada", WHY);
      expect([session.userId, session.data]).toEqual(["ada", {}]);
      session.set("count", 2);
    });
    expect((await admin.visit((session) => session.get("count"))).result).toBe(2);
    await admin.visit((session) => session.stopImpersonating());
    expect((await admin.visit((session) => session.get("count"))).result).toBe(1);
  });

  test("is never fresh and has proved nothing, however fresh the own sign-in is", async () => {
    const { admin } = await acting();
    await admin.visit((session) => {
      expect(session.isFresh({ within: DAY })).toBe(false);
      expect([session.proofs, session.claims.acr]).toEqual([[], undefined]);
    });
  });

  test.each<[string, (session: TestSession, app: ReturnType<typeof testApp>) => unknown]>([
    ["prove", (session) => session.prove("otp")],
    ["reauthenticate", (session) => session.reauthenticate()],
    ["trust", (session) => session.trust()],
    ["name a device", (session) => session.nameDevice(session.handle, "x")],
    ["renew", (session) => session.renew()],
    ["sign in", (session) => session.login("bob")],
    ["begin a sign-in", (session) => session.begin("bob")],
    ["impersonate somebody else", (session) => session.impersonate("bob", WHY)],
    ["change a factor and stay", (session, app) => app.psession.passwordChanged("ada", { keep: session })],
    ["change a factor", (_, app) => app.psession.passwordChanged("ada")],
    ["change its own factor", (_, app) => app.psession.passwordChanged("admin")],
  ])("cannot %s", async (_, work) => {
    const { app, admin } = await acting();
    const request = {};
    await admin.visit(
      async (session) => {
        await runInRequest(request, async () => {
          await expect(work(session, app)).rejects.toMatchObject({ code: "impersonating", status: 403 });
        });
      },
      { request },
    );
    expect(await who(admin)).toEqual(["ada", "admin"]);
  });

  test("is over with its time, and the administrator's own session goes on, used meanwhile", async () => {
    const { app, admin } = await acting();
    await admin.visit((session) => session.stopImpersonating());
    await admin.visit((session) => session.impersonate("ada", { ...WHY, for: "4h" }));
    for (let hour = 0; hour < 4; hour++) {
      app.clock.advance(HOUR);
      expect(await who(admin)).toEqual(["ada", "admin"]);
    }
    app.clock.advance(1);
    const { setCookie } = await admin.visit(undefined, { navigation: true });
    expect(setCookie.join()).toContain(`${ACTING}=;`);
    expect(await who(admin)).toEqual(["admin", undefined]);
  });

  test.each<[string, (app: ReturnType<typeof testApp>) => unknown]>([
    ["the administrator is revoked", (app) => app.psession.revokeUser("admin")],
    ["the administrator's password is changed", (app) => app.psession.passwordChanged("admin")],
    ["everyone ends", (app) => app.psession.revokeEveryone()],
  ])("is nobody when %s", async (_, end) => {
    const { app, admin } = await acting();
    const before = await admin.open();
    await end(app);
    expect(await before.session.isAlive()).toBe(false);
    expect(await who(admin)).toEqual([undefined, undefined]);
  });

  test.each<[string, (app: ReturnType<typeof testApp>, ada: TestBrowser) => unknown]>([
    ["the customer is revoked", (app) => app.psession.revokeUser("ada")],
    ["the customer's password is changed", (app) => app.psession.passwordChanged("ada")],
    ["the customer ends all other devices", (_, ada) => ada.visit((session) => session.revokeOthers())],
  ])("is the administrator again when %s", async (_, end) => {
    const { app, admin, ada } = await acting();
    const before = await admin.open();
    await end(app, ada);
    expect(await before.session.isAlive()).toBe(false);
    expect(await who(admin)).toEqual(["admin", undefined]);
  });

  test("signs out altogether, remembered login and all", async () => {
    const { app, admin } = await acting({ remember: true });
    const jar = admin.copyJar();
    await admin.visit((session) => session.logout());
    expect(admin.jar.size).toBe(0);
    expect(await who(new TestBrowser(app), { jar })).toEqual([undefined, undefined]);
    expect(await app.psession.devices("admin")).toEqual([]);
    expect(app.events.filter(({ type }) => type === "logout")).toMatchObject([{ userId: "admin" }]);
  });

  test("leaves nothing that works when it stops: not the cookie, nor a request on its way", async () => {
    const { app, admin } = await acting();
    const copied = admin.copyJar();
    const slow = await admin.open();
    slow.session.set("note", "late");
    await admin.visit((session) => session.stopImpersonating());
    await slow.answer();
    expect(await who(new TestBrowser(app), { jar: copied })).toEqual(["admin", undefined]);
    expect(await app.psession.devices("ada")).toHaveLength(1);
  });

  test("is worth nothing without the administrator's own session, or beside another one", async () => {
    const { app, admin, ada } = await acting();
    const cookie = admin.jar.get(ACTING);
    if (cookie === undefined) throw new Error("no cookie");
    const alone = new Map([[ACTING, cookie]]);
    expect(await who(new TestBrowser(app), { jar: alone })).toEqual([undefined, undefined]);
    const asSession = new Map([[SESSION, cookie]]);
    expect(await who(new TestBrowser(app), { jar: asSession })).toEqual([undefined, undefined]);
    const besideAda = new Map([...ada.jar, [ACTING, cookie] as const]);
    expect(await who(ada, { jar: besideAda })).toEqual(["ada", undefined]);
  });

  test("is none of the customer's devices: not in lists, limits, carried data or notices", async () => {
    const app = testApp({ devices: { max: 1, overflow: "refuse", detectNew: true } });
    const admin = new TestBrowser(app);
    await admin.visit((session) => session.login("admin"));
    await admin.visit((session) => session.impersonate("ada", WHY));
    expect(await app.psession.devices("ada")).toEqual([]);
    const ada = new TestBrowser(app);
    expect((await ada.visit(signInCarrying)).result).toEqual(["signed_in", undefined]);
    expect(app.events.filter(({ type }) => type === "newDevice")).toMatchObject([
      { userId: "admin" },
      { userId: "ada" },
    ]);
    expect(await who(admin)).toEqual(["ada", "admin"]);
  });

  test("is in the customer's trail, with who acted and why", async () => {
    const { app, admin } = await acting({ audit: true });
    await admin.visit((session) => session.stopImpersonating());
    const trail = await app.psession.auditTrail({ userId: "ada" });
    const detail = `by admin: ${WHY.reason}`;
    expect(trail.slice(0, 2)).toMatchObject([
      { event: "impersonationEnded", detail },
      { event: "impersonationBegan", detail, address: "192.0.2.7" },
    ]);
  });

  test("keeps away no honest sign-in of the customer, and accuses nobody", async () => {
    const { app, admin, ada } = await acting({ remember: true });
    ada.restart();
    app.clock.advance(DAY / 2);
    expect(await who(ada)).toEqual(["ada", undefined]);
    await admin.visit();
    expect(app.told()).not.toContain("theft");
  });
});

describe("a request on its way while the acting session gets another secret", () => {
  test("is still the customer's, not the administrator's, and takes no cookie away", async () => {
    const { app, admin } = await acting();
    const old = admin.copyJar();
    await admin.visit((session) => session.regenerate());
    const { setCookie } = await admin.visit(
      (session) => {
        expect([session.userId, session.actor?.userId, session.isFresh({ within: DAY })]).toEqual([
          "ada",
          "admin",
          false,
        ]);
        session.set("note", "of Ada");
      },
      { jar: old, navigation: true },
    );
    expect(setCookie).toEqual([]);
    expect((await admin.visit((session) => session.data)).result).toEqual({ note: "of Ada" });
    app.clock.advance(HOUR / 4);
    expect(await who(admin, { jar: old }), "long replaced").toEqual(["admin", undefined]);
  });

  test("is nobody's where the old secret gets nothing", async () => {
    const { admin } = await acting();
    const old = admin.copyJar();
    await admin.visit((session) => session.replaceSecret());
    const { result, setCookie } = await admin.visit(({ userId, outcome }) => [userId, outcome], {
      jar: old,
      navigation: true,
    });
    expect([result, setCookie]).toEqual([[undefined, "replaced"], []]);
    expect(await who(admin)).toEqual(["ada", "admin"]);
  });

  test("knows who acts, and can stop", async () => {
    const { admin } = await acting();
    const slow = await admin.open();
    await admin.visit((session) => session.regenerate());
    slow.session.set("note", "late");
    await slow.session.save();
    expect(slow.session.actor?.userId).toBe("admin");
    const copied = admin.copyJar();
    expect(await slow.session.stopImpersonating()).toBe(true);
    await slow.answer();
    expect(admin.jar.has(ACTING)).toBe(false);
    expect(await who(admin, { jar: copied })).toEqual(["admin", undefined]);
  });
});

describe("a sign-out while acting", () => {
  test("leaves a farewell to the next page", async () => {
    const { admin } = await acting();
    await admin.visit(async (session) => {
      await session.logout();
      session.flash.set("notice", "Signed out.");
    });
    expect((await admin.visit((session) => session.flash.get("notice"))).result).toBe("Signed out.");
    expect(admin.jar.has(ACTING)).toBe(false);
  });

  test("is not undone by stopping, in whatever order they are called", async () => {
    const { admin } = await acting();
    await admin.visit(async (session) => {
      await session.logout();
      expect(await session.stopImpersonating()).toBe(false);
      expect([session.userId, session.data]).toEqual([undefined, {}]);
      await session.save();
      expect(await session.stopImpersonating()).toBe(false);
      expect([session.userId, session.data]).toEqual([undefined, {}]);
    });
    expect(await who(admin)).toEqual([undefined, undefined]);
  });

  test("that is stored lets somebody sign in, in the same request", async () => {
    const { admin } = await acting();
    await admin.visit(async (session) => {
      await session.logout();
      await session.save();
      await session.login("bob");
    });
    expect(await who(admin)).toEqual(["bob", undefined]);
    expect(admin.jar.has(ACTING)).toBe(false);
  });
});

test("of two impersonations in one request at once the second is refused", async () => {
  const admin = new TestBrowser(testApp());
  await admin.visit((session) => session.login("admin"));
  await admin.visit(async (session) => {
    const both = await Promise.allSettled([session.impersonate("ada", WHY), session.impersonate("bob", WHY)]);
    expect(both).toMatchObject([
      { status: "fulfilled" },
      { status: "rejected", reason: { code: "impersonating" } },
    ]);
  });
  expect(await who(admin)).toEqual(["ada", "admin"]);
});

test("messages of the administrator's are none of the customer's session, and come back as they were", async () => {
  const { admin } = await acting();
  await admin.visit(async (session) => {
    await session.stopImpersonating();
    session.flash.set({ shown: "for Admin", waiting: "for Admin" });
  });
  await admin.visit(async (session) => {
    await session.flash.get("shown");
    await session.impersonate("ada", WHY);
    session.flash.keep();
    expect(await session.flash.all()).toEqual({});
    session.flash.set("note", "for Ada");
  });
  expect((await admin.visit((session) => session.flash.all())).result).toEqual({ note: "for Ada" });
  await admin.visit((session) => session.stopImpersonating());
  expect((await admin.visit((session) => session.flash.all())).result).toEqual({ waiting: "for Admin" });
});

describe("the short idle time of an administrator's sign-in", () => {
  async function short() {
    const app = testApp();
    const admin = new TestBrowser(app);
    await admin.visit((session) => session.login("admin", { idle: "2m" }));
    await admin.visit((session) => session.impersonate("ada", WHY));
    return { app, admin };
  }

  test("is put off by each use of the acting session", async () => {
    const { app, admin } = await short();
    app.clock.advance(50_000);
    await admin.visit();
    app.clock.advance(100_000);
    expect(await who(admin)).toEqual(["ada", "admin"]);
    app.clock.advance(2 * MINUTE + 1);
    expect(await who(admin)).toEqual([undefined, undefined]);
  });

  test("is over after it, also where a slow handler ends later", async () => {
    const { app, admin } = await short();
    const slow = await admin.open();
    slow.session.set("note", "late");
    app.clock.advance(3 * MINUTE);
    await slow.answer();
    expect(await who(admin)).toEqual([undefined, undefined]);
  });
});

describe("impersonation is refused", () => {
  test.each([
    {},
    { reason: "" },
    { reason: "x".repeat(256) },
    { reason: 5 },
    { reason: "a\nb" },
    { ...WHY, for: 0 },
    { ...WHY, for: "9h" },
    { ...WHY, for: "soon" },
    { ...WHY, more: 1 },
  ])("with %j", async (options) => {
    const admin = new TestBrowser(testApp());
    await admin.visit((session) => session.login("admin"));
    await admin.visit(async (session) => {
      await expect(session.impersonate("ada", options as never)).rejects.toMatchObject({
        code: "invalid_options",
      });
      expect(session.userId).toBe("admin");
    });
  });

  test("of nobody, of oneself, by nobody, and by a remembered visitor", async () => {
    const app = testApp();
    const admin = new TestBrowser(app);
    const refused = (userId: unknown, code: string) =>
      admin.visit(async (session) => {
        await expect(session.impersonate(userId as string, WHY)).rejects.toMatchObject({ code });
      });
    await refused("ada", "not_signed_in");
    await admin.visit((session) => session.login("admin", { remember: true }));
    await refused(undefined, "invalid_user_id");
    await refused("admin", "invalid_options");
    admin.restart();
    app.clock.advance(DAY);
    await refused("ada", "not_signed_in");
  });

  test("where the customer was revoked at that very time", async () => {
    const app = testApp();
    const admin = new TestBrowser(app);
    await admin.visit((session) => session.login("admin"));
    await app.psession.revokeUser("ada");
    await admin.visit(async (session) => {
      await expect(session.impersonate("ada", WHY)).rejects.toMatchObject({ code: "proof_outdated" });
      expect(session.userId).toBe("admin");
    });
  });

  test("in a response that can carry no cookie, and nothing is stored", async () => {
    const app = testApp();
    const admin = new TestBrowser(app);
    await admin.visit((session) => session.login("admin"));
    await admin.visit(
      async (session) => {
        await expect(session.impersonate("ada", WHY)).rejects.toMatchObject({ code: "headers_already_sent" });
      },
      { canSetCookies: false },
    );
    expect(await who(admin)).toEqual(["admin", undefined]);
  });
});

describe("of an administrator's own session", () => {
  async function administrator() {
    const app = testApp({ store: memoryStore({ audit: true }) });
    const admin = new TestBrowser(app);
    await admin.visit((session) => session.login("admin", { method: "password" }));
    return { app, admin };
  }

  test("that ended while the request was under way no impersonation begins", async () => {
    const { app, admin } = await administrator();
    const slow = await admin.open();
    await admin.visit((session) => session.logout());
    await expect(slow.session.impersonate("ada", WHY)).rejects.toMatchObject({ code: "session_ended" });
    await app.psession.flush();
    expect(await app.psession.auditTrail({ userId: "ada" })).toEqual([]);
    expect(await app.psession.devices("ada")).toEqual([]);
  });

  test("two that began at once are both over with one stop, and both trails say so", async () => {
    const { app, admin } = await administrator();
    const [one, two] = [await admin.open(), await admin.open()];
    await one.session.impersonate("ada", WHY);
    await two.session.impersonate("bob", WHY);
    await one.answer();
    const copied = admin.copyJar();
    await two.answer();
    await admin.visit((session) => session.stopImpersonating());
    expect(await who(new TestBrowser(app), { jar: copied })).toEqual(["admin", undefined]);
    await app.psession.flush();
    for (const userId of ["ada", "bob"]) {
      const entries = await app.psession.auditTrail({ userId });
      expect(entries.map(({ event }) => event)).toEqual(["impersonationEnded", "impersonationBegan"]);
    }
  });

  test("the trust that its browser has of the user is neither renewed nor ended", async () => {
    const app = testApp();
    const browser = new TestBrowser(app);
    await browser.visit(async (session) => {
      await session.login("ada");
      await session.trust();
      await session.logout();
    });
    await browser.visit((session) => session.login("admin"));
    await browser.visit((session) => session.impersonate("ada", WHY));
    await browser.visit((session) => session.revokeOthers());
    expect(app.told().filter((type) => type === "trusted")).toHaveLength(1);
    await browser.visit((session) =>
      expect(session.distrust()).rejects.toMatchObject({ code: "impersonating" }),
    );
  });
});
