import { createRequire } from "node:module";
import express5 from "express";
import { beforeEach, describe, expect, test } from "vitest";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { HttpClient, serve } from "../../support/http.ts";
import { type Any, EXPRESSES, type Express, type Middleware, SIDES } from "./sides.ts";

const require = createRequire(import.meta.url);
const flash = require("connect-flash") as Any;
const { csrfSync } = require("csrf-sync") as Any;
const { Strategy } = require("passport-local") as Any;

const PASSPORTS = ["passport", "passport06"] as const;
const USERS: Record<string, { id: number; password: string }> = { ada: { id: 1, password: "right" } };

/** An app as its author left it: only the import of `session` differs. */
function app(session: Middleware, options: SessionOptions, makeExpress: () => Express, name: string) {
  const { Passport } = require(name) as Any;
  const passport = new Passport();
  passport.use(
    new Strategy((username: string, password: string, done: Any) => {
      const user = USERS[username];
      if (user?.password === password) return done(null, user);
      done(null, false, { message: "Wrong name or password." });
    }),
  );
  passport.serializeUser((user: { id: number }, done: Any) => done(null, user.id));
  passport.deserializeUser((id: number, done: Any) =>
    done(
      null,
      Object.values(USERS).find((user) => user.id === id),
    ),
  );
  const { csrfSynchronisedProtection, generateToken } = csrfSync({
    getTokenFromRequest: (request: Any) => request.body._csrf,
  });

  const routes = makeExpress();
  routes.use(session({ resave: false, saveUninitialized: false, ...options }) as Any);
  routes.use(
    express5.urlencoded({ extended: false }) as Any,
    passport.session(),
    flash(),
    csrfSynchronisedProtection,
  );
  routes.get("/", (request: Any, response) => {
    response.json({ user: request.user?.id ?? null, cart: request.session.cart ?? [] });
  });
  routes.get("/cart/:item", (request: Any, response) => {
    request.session.cart = [...(request.session.cart ?? []), request.params.item];
    response.redirect("/");
  });
  routes.get("/login", (request: Any, response) => {
    response.json({ token: generateToken(request), errors: request.flash("error") });
  });
  routes.post(
    "/login",
    passport.authenticate("local", { successRedirect: "/", failureRedirect: "/login", failureFlash: true }),
  );
  routes.post("/keep", passport.authenticate("local", { keepSessionInfo: true, successRedirect: "/" }));
  routes.post("/logout", (request: Any, response, next) => {
    request.logout((error: Any) => (error ? next(error) : response.redirect("/")));
  });
  routes.use(((error: Any, _request: Any, response: Any, _next: Any) => {
    response.status(error.status ?? 500).json({ code: error.code, message: error.message });
  }) as Any);
  return routes;
}

class Browser extends HttpClient {
  async form(path: string, fields: Record<string, string>) {
    return this.request(path, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(fields).toString(),
    });
  }

  async login(path: string, password: string) {
    const { token } = (await this.get("/login")).json;
    return this.form(path, { username: "ada", password, _csrf: token });
  }
}

/** What a visitor sees and a person at the network. */
async function story(base: string) {
  const seen: unknown[] = [];
  const browser = new Browser(base);
  const see = async (answer: Promise<Awaited<ReturnType<HttpClient["get"]>>>) => {
    const { status, headers, text, setCookie } = await answer;
    const body = text.replace(/"token":"[0-9a-f]+"/, '"token":"?"');
    seen.push([status, headers.get("location"), body.startsWith("{") ? body : "", setCookie.length > 0]);
  };
  await see(browser.get("/"));
  await see(browser.get("/cart/book"));
  await see(browser.get("/"));
  await see(browser.form("/login", { username: "ada", password: "right", _csrf: "forged" }));
  await see(browser.login("/login", "wrong"));
  await see(browser.get("/login"));
  await see(browser.get("/login"));
  const anonymous = new Map(browser.jar);
  await see(browser.login("/keep", "right"));
  await see(browser.get("/"));
  const signedIn = new Map(browser.jar);
  // The session from before the sign-in is worth nothing.
  await see(browser.request("/", { jar: anonymous }));
  browser.jar = signedIn;
  const { token } = (await browser.get("/login")).json;
  const captured = new Map(browser.jar);
  await see(browser.form("/logout", { _csrf: token }));
  seen.pop();
  await see(browser.get("/"));
  await see(browser.request("/", { jar: captured }));
  browser.jar = new Map();
  await see(browser.login("/login", "right"));
  await see(browser.get("/"));
  return seen;
}

describe.each(EXPRESSES)("%s", (_, makeExpress) => {
  describe.each(PASSPORTS)("%s, connect-flash and csrf-sync", (passport) => {
    let expected: unknown[];
    beforeEach(async () => {
      const [, session, options] = SIDES[0] as (typeof SIDES)[number];
      const given = { secret: "keyboard cat", ...options() };
      if (expected !== undefined) return;
      expected = await story(await serve(app(session, given, makeExpress, passport) as Any));
    });

    test("let a visitor in, remember the cart and forget both", () => {
      const bodies = (expected as [number, string | null, string, boolean][]).map(([status, , body]) =>
        status === 200 ? body : status,
      );
      expect(bodies).toEqual([
        '{"user":null,"cart":[]}',
        302,
        '{"user":null,"cart":["book"]}',
        403,
        302,
        '{"token":"?","errors":["Wrong name or password."]}',
        '{"token":"?","errors":[]}',
        302,
        '{"user":1,"cart":["book"]}',
        '{"user":null,"cart":[]}',
        '{"user":null,"cart":[]}',
        '{"user":null,"cart":[]}',
        302,
        '{"user":1,"cart":[]}',
      ]);
    });

    test.each(SIDES)("answer as before: %s", async (_, session, options) => {
      const given = { secret: "keyboard cat", ...options() };
      const seen = await story(await serve(app(session, given, makeExpress, passport) as Any));
      expect(seen).toEqual(expected);
    });
  });
});
