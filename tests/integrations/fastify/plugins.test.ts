import csrfProtection from "@fastify/csrf-protection";
import flash from "@fastify/flash";
import formbody from "@fastify/formbody";
import { Authenticator } from "@fastify/passport";
import type { FastifyInstance } from "fastify";
import { Strategy } from "passport-local";
import { describe, expect, test, vi } from "vitest";
import { requireLevel, requireLogin, sessions } from "../../../src/integrations/fastify/index.ts";
import type { TestData } from "../../support/app.ts";
import { DAY } from "../../support/clock.ts";
import { HttpClient } from "../../support/http.ts";
import { sessionOf, start } from "./start.ts";

const always = { plugin: { open: "always" } } as const;
const asForm = { "content-type": "application/x-www-form-urlencoded" };
const form = (client: HttpClient, path: string, values: Record<string, string> = {}) =>
  client.request(path, { method: "POST", headers: asForm, body: new URLSearchParams(values).toString() });

interface User {
  id: number;
  name: string;
}
const users = new Map<number, User>([
  [7, { id: 7, name: "ada" }],
  [8, { id: 8, name: "bob" }],
]);

/** Passport as its documentation sets it up; `serialize` says what it keeps in the session. */
async function usePassport(
  app: FastifyInstance,
  options: ConstructorParameters<typeof Authenticator>[0] = {},
  serialize: (user: User) => unknown = (user) => user.id,
) {
  const passport = new Authenticator(options);
  await app.register(formbody);
  await app.register(passport.initialize());
  await app.register(passport.secureSession());
  passport.use(
    "local",
    new Strategy((name, password, done) => {
      const user = [...users.values()].find((one) => one.name === name);
      done(null, user !== undefined && password === "right" ? user : false);
    }) as never,
  );
  passport.registerUserSerializer(async (user: User) => serialize(user));
  passport.registerUserDeserializer(async (id: number | { id: number }) => {
    return users.get(typeof id === "object" ? id.id : id) ?? null;
  });
  const preValidation = passport.authenticate("local", {
    successRedirect: "/me",
    failureRedirect: "/sign-in",
  });
  app.post("/login", { preValidation }, () => {});
  app.post("/logout", async (request, reply) => {
    await (request as unknown as { logOut(): Promise<void> }).logOut();
    return reply.redirect("/", 303);
  });
  app.get("/me", async (request) => {
    const { user } = request as unknown as { user?: User };
    const { userId, level } = request.session;
    return { user: user?.name ?? null, userId: userId ?? null, level, data: sessionOf(request).data };
  });
  app.get("/add", async (request) => sessionOf(request).push("cart", "tea"));
  return passport;
}

describe("@fastify/passport", () => {
  const ada = { username: "ada", password: "right" };
  const bob = { username: "bob", password: "right" };

  test("a sign-in is psession's: a new secret, a device, and everything ends with revokeUser", async () => {
    const { client, psession, told } = await start((app) => usePassport(app), always);
    expect((await form(client, "/login", { ...ada, password: "wrong" })).headers.get("location")).toBe(
      "/sign-in",
    );
    const answer = await form(client, "/login", ada);
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "/me"]);
    expect((await client.get("/me")).json).toEqual({
      user: "ada",
      userId: 7,
      level: "login",
      data: { passport: 7 },
    });
    expect(told().filter((type) => type === "login")).toHaveLength(1);
    expect(await psession.devices(7)).toHaveLength(1);
    await psession.revokeUser(7);
    expect((await client.get("/me")).json).toMatchObject({ user: null, userId: null, data: {} });
  });

  test("a cookie that was planted before the sign-in is worthless after it, also where nothing regenerates", async () => {
    const stubborn = { clearSessionOnLogin: false };
    for (const options of [{}, stubborn]) {
      const { client } = await start(async (app) => {
        await usePassport(app, options);
        app.post("/by-hand", async (request) => sessionOf(request).set("passport", 7));
      }, always);
      for (const path of ["/login", "/by-hand"]) {
        const victim = new HttpClient(client.base);
        await victim.get("/add");
        const planted = new Map(victim.jar);
        await form(victim, path, ada);
        expect((await victim.get("/me")).json).toMatchObject({ user: "ada", userId: 7 });
        const thief = (await victim.request("/me", { jar: planted })).json;
        expect(thief).toEqual({ user: null, userId: null, level: "anonymous", data: {} });
      }
    }
  });

  test("a sign-in drops what Passport clears, and keeps clearSessionIgnoreFields", async () => {
    const keeping = { clearSessionIgnoreFields: ["cart"] };
    for (const [options, cart] of [
      [{}, undefined],
      [keeping, ["tea"]],
    ] as const) {
      const { client } = await start((app) => usePassport(app, options as typeof keeping), always);
      await client.get("/add");
      await form(client, "/login", ada);
      expect((await client.get("/me")).json.data.cart).toEqual(cart);
    }
  });

  test("signing out is psession's: the session has ended, its cookies are worthless, and a new one is empty", async () => {
    const { client, psession, told } = await start((app) => usePassport(app), always);
    await form(client, "/login", ada);
    await client.get("/add");
    const captured = new Map(client.jar);
    expect((await form(client, "/logout")).status).toBe(303);
    expect(client.jar.size).toBe(0);
    expect(told()).toContain("logout");
    expect(await psession.devices(7)).toEqual([]);
    const nobody = { user: null, userId: null, level: "anonymous", data: {} };
    expect((await client.get("/me")).json).toEqual(nobody);
    expect((await client.request("/me", { jar: captured })).json).toEqual(nobody);
  });

  test("a flash message set at sign-out is there on the next page", async () => {
    const { client } = await start(async (app) => {
      // Passport brings @fastify/flash along.
      await usePassport(app);
      app.post("/bye", async (request) => {
        await (request as unknown as { logOut(): Promise<void> }).logOut();
        request.flash("info", "see you");
      });
    }, always);
    await form(client, "/login", ada);
    await form(client, "/bye");
    expect((await client.get("/me")).json).toEqual({
      user: null,
      userId: null,
      level: "anonymous",
      data: { flash: { info: ["see you"] } },
    });
  });

  test("another user who signs in over the first one is the user, and the first one's device has ended", async () => {
    const { client, psession } = await start((app) => usePassport(app), always);
    await form(client, "/login", ada);
    await client.get("/add");
    await form(client, "/login", bob);
    expect((await client.get("/me")).json).toMatchObject({ user: "bob", userId: 8, data: { passport: 8 } });
    expect([(await psession.devices(7)).length, (await psession.devices(8)).length]).toEqual([0, 1]);
  });

  test("a handler adds the remembered login; the browser comes back as Passport's user", async () => {
    const { client, clock } = await start(async (app) => {
      const passport = await usePassport(app);
      app.post("/remember", { preValidation: passport.authenticate("local") }, async (request) => {
        const { user } = request as unknown as { user: User };
        await sessionOf(request).login(user.id, { remember: true });
        return "in";
      });
    }, always);
    expect((await form(client, "/remember", ada)).setCookie).toHaveLength(2);
    client.restart();
    clock.advance(DAY);
    expect((await client.get("/me")).json).toMatchObject({ user: "ada", userId: 7, level: "remembered" });
  });

  test("guards see a sign-in or a sign-out of the same request", async () => {
    const { client } = await start(async (app) => {
      const passport = await usePassport(app);
      const preValidation = passport.authenticate("local");
      app.post("/in", { preValidation, preHandler: requireLevel("login") }, async () => "in");
      const logOut = async (request: unknown) => (request as { logOut(): Promise<void> }).logOut();
      app.get("/out", { preValidation: logOut, preHandler: requireLogin() }, async () => "still in");
    }, always);
    expect((await form(client, "/in", ada)).text).toBe("in");
    expect((await client.get("/me")).json).toMatchObject({ user: "ada", userId: 7 });
    expect((await client.get("/out")).status).toBe(401);
    expect((await client.get("/me")).json.userId).toBeNull();
  });

  test("a deleted user is signed out", async () => {
    const { client, psession } = await start((app) => usePassport(app), always);
    await form(client, "/login", bob);
    const gone = users.get(8) as User;
    users.delete(8);
    expect((await client.get("/me")).json).toMatchObject({ user: null, userId: null });
    users.set(8, gone);
    expect(await psession.devices(8)).toEqual([]);
  });

  test("data that names a user does not sign that user in", async () => {
    const { client } = await start(async (app) => {
      await usePassport(app);
      // Stored at once, under the secret from before: as after a crash between this and the answer.
      app.get("/early", async (request, reply) => {
        sessionOf(request).set("passport", 7);
        await sessionOf(request).save();
        reply.raw.destroy();
      });
    }, always);
    await client.get("/add");
    const planted = new Map(client.jar);
    await client.get("/early").catch(() => {});
    expect((await client.request("/me", { jar: planted })).json).toMatchObject({ user: null, userId: null });
  });

  test("a store that fails while Passport signs in leaves nobody signed in", async () => {
    const { client, fail } = await start((app) => usePassport(app), always);
    fail("apply");
    const answer = await form(client, "/login", ada);
    expect([answer.status, answer.headers.get("location"), answer.setCookie]).toEqual([503, null, []]);
    fail("");
    expect((await client.get("/me")).json.user).toBeNull();
  });

  test("a user's object in the session needs a function for its id; without one, a warning says so", async () => {
    const serialize = ({ id }: User) => ({ id });
    const user = (data: Partial<TestData>) => (data["passport"] as { id: number } | undefined)?.id;
    const { client } = await start((app) => usePassport(app, {}, serialize), {
      plugin: { open: "always", user },
    });
    await form(client, "/login", ada);
    expect((await client.get("/me")).json).toMatchObject({ user: "ada", userId: 7 });

    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const other = await start((app) => usePassport(app, {}, serialize), always);
    await form(other.client, "/login", ada);
    expect((await other.client.get("/me")).json).toMatchObject({ user: "ada", userId: null });
    expect(warned.mock.calls).toEqual([
      [expect.stringContaining("user: (data)"), { code: "PSESSION_UNKNOWN_USER" }],
    ]);
    warned.mockRestore();
  });

  test("psession's own sign-in and Passport's do not disturb each other", async () => {
    const { client } = await start(async (app) => {
      await usePassport(app);
      app.post("/own", async (request) => sessionOf(request).login(9));
      app.post("/own-out", async (request) => sessionOf(request).logout());
    }, always);
    await form(client, "/own");
    await client.get("/add");
    expect((await client.get("/me")).json).toMatchObject({ user: null, userId: 9, data: { cart: ["tea"] } });
    await form(client, "/login", ada);
    expect((await client.get("/me")).json).toMatchObject({ user: "ada", userId: 7 });
    await form(client, "/own-out");
    expect((await client.get("/me")).json).toMatchObject({ user: null, userId: null, data: {} });
  });

  test("with `user: false`, Passport's user is not followed", async () => {
    const { client } = await start((app) => usePassport(app), { plugin: { open: "always", user: false } });
    await form(client, "/login", ada);
    expect((await client.get("/me")).json).toMatchObject({ user: "ada", userId: null });
  });
});

describe("@fastify/flash", () => {
  test("a message is shown once, over a redirect", async () => {
    const { client } = await start(async (app) => {
      await app.register(flash);
      await app.register(formbody);
      app.post("/do", async (request, reply) => {
        request.flash("info", "done");
        return reply.redirect("/page", 303);
      });
      app.get("/page", async (_request, reply) => reply.flash("info"));
    }, always);
    await form(client, "/do");
    expect((await client.get("/page")).json).toEqual(["done"]);
    expect((await client.get("/page")).json).toEqual([]);
  });
});

describe("@fastify/csrf-protection", () => {
  const protect = async (
    app: FastifyInstance,
    sessionPlugin: "@fastify/secure-session" | "@fastify/session",
  ) => {
    await app.register(formbody);
    await app.register(csrfProtection, { sessionPlugin, getUserInfo: () => "ada" });
    app.get("/token", async (_request, reply) => reply.generateCsrf({ userInfo: "ada" }));
    app.post("/change", { preHandler: app.csrfProtection }, async () => "changed");
  };

  test("tokens belong to their session, with the setting for get and set", async () => {
    const { client } = await start((app) => protect(app, "@fastify/secure-session"), always);
    const { text: _csrf } = await client.get("/token");
    expect((await form(client, "/change", { _csrf })).text).toBe("changed");
    expect((await form(client, "/change", { _csrf: "other" })).status).toBe(403);
    expect((await form(new HttpClient(client.base), "/change", { _csrf })).status).toBe(403);
  });

  test("the setting for properties of the session fails where it is used, not later", async () => {
    const { client } = await start((app) => protect(app, "@fastify/session"), always);
    const { status, json } = await client.get("/token");
    expect([status, json.message]).toEqual([500, expect.stringContaining("data goes into session.data")]);
  });
});

test("plugins live in the context that opens sessions for them; beside it, nothing is read", async () => {
  const { client, calls } = await start(
    async (app, { psession }) => {
      await app.register(async (site) => {
        await site.register(sessions as typeof sessions<never>, {
          psession: psession as never,
          open: "always",
        });
        await usePassport(site);
      });
      app.get("/health", async () => "well");
    },
    { bare: true },
  );
  await form(client, "/login", { username: "ada", password: "right" });
  calls.length = 0;
  expect((await client.get("/health")).text).toBe("well");
  expect(calls).toEqual([]);
  expect((await client.get("/me")).json.user).toBe("ada");
});
