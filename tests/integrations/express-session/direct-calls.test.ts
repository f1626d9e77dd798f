import { createRequire } from "node:module";
import express5 from "express";
import { describe, expect, test } from "vitest";
import { psessionOf, type SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { HttpClient, serve } from "../../support/http.ts";
import { type Any, type Middleware, NotedStore, original, ours, SIDES, WEAK } from "./sides.ts";

const require = createRequire(import.meta.url);
const flash = require("connect-flash") as Any;
const { Strategy } = require("passport-local") as Any;

/** Ends all that a user has, as applications do it: by the rows, or by psession's own method. */
async function endAll(request: Any, store: unknown): Promise<void> {
  if (!(store instanceof NotedStore)) {
    await psessionOf(request).psession.revokeUser("ada");
    return;
  }
  for (const [id, text] of store.rows) {
    if (JSON.parse(text).passport?.user === "ada")
      await new Promise<void>((resolve) => store.destroy(id, resolve));
  }
}

/** An application with passport that goes to the store by itself as well. */
async function serveApp(session: Middleware, options: SessionOptions, passportName: string) {
  const { Passport } = require(passportName) as Any;
  const passport = new Passport();
  passport.use(new Strategy((username: string, _: string, done: Any) => done(null, { id: username })));
  passport.serializeUser((user: { id: string }, done: Any) => done(null, user.id));
  passport.deserializeUser((id: string, done: Any) => done(null, { id }));
  const app = express5();
  app.use(session({ secret: WEAK, resave: false, saveUninitialized: false, ...options }) as Any);
  app.use(express5.urlencoded({ extended: false }), passport.session(), flash());
  const answer = (response: Any, next: Any) => (error: Any) => (error ? next(error) : response.json("ok"));
  app.post("/login", passport.authenticate("local", { successRedirect: "/" }));
  app.get("/", (request: Any, response) => {
    response.json({ user: request.user?.id ?? null, flash: request.flash("info") });
  });
  app.get("/cart", (request: Any, response) => {
    request.session.cart = ["book"];
    response.json("ok");
  });
  app.get("/destroy-then-logout", (request: Any, response, next) => {
    request.sessionStore.destroy(request.sessionID, (error: Any) => {
      if (error) return next(error);
      request.logout((failed: Any) => {
        if (failed) return next(failed);
        request.session.destroy(answer(response, next));
      });
    });
  });
  app.get("/destroy-read-then-logout", (request: Any, response, next) => {
    // Messages that a page shows: an empty box stays behind.
    request.flash("info");
    request.sessionStore.destroy(request.sessionID, () => {
      delete request.session.cart;
      request.logout(answer(response, next));
    });
  });
  app.get("/everywhere-then-logout", async (request: Any, response, next) => {
    await endAll(request, options.store);
    request.logout((failed: Any) => {
      if (failed) return next(failed);
      request.flash("info", "signed out everywhere");
      response.json("ok");
    });
  });
  app.get("/everywhere-then-flash", async (request: Any, response) => {
    await endAll(request, options.store);
    request.flash("info", "all devices were signed out");
    request.session.save((error: Any) => response.json(error?.code ?? "ok"));
  });
  app.get("/everywhere-then-write", async (request: Any, response) => {
    await endAll(request, options.store);
    request.session.cart = ["pen"];
    response.json("ok");
  });
  app.use(((error: Any, _request: Any, response: Any, _next: Any) => {
    response.status(error.status ?? 500).json({ code: error.code, message: error.message });
  }) as Any);
  return serve(app as Any);
}

class Browser extends HttpClient {
  async login() {
    return this.request("/login", {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "username=ada&password=any",
    });
  }
}

describe.each(["passport", "passport06"])("%s in an application that calls the store too", (passportName) => {
  describe.each(SIDES)("%s", (name, session, options) => {
    const signedIn = async () => {
      const given = options();
      const browser = new Browser(await serveApp(session, given, passportName));
      await browser.login();
      await browser.get("/cart");
      const phone = new Browser(browser.base);
      await phone.login();
      expect((await browser.get("/")).json.user).toBe("ada");
      return { browser, phone, store: given.store };
    };
    const gone = async (browser: Browser) => expect((await browser.get("/")).json.user).toBeNull();

    test.each(["/destroy-then-logout", "/destroy-read-then-logout"])("%s", async (path) => {
      const { browser, phone } = await signedIn();
      const captured = new Browser(browser.base);
      captured.jar = new Map(browser.jar);
      const { status, json } = await browser.get(path);
      expect([status, json]).toEqual([200, "ok"]);
      await gone(browser);
      await gone(captured);
      expect((await phone.get("/")).json.user).toBe("ada");
    });

    test("/everywhere-then-logout", async () => {
      const { browser, phone } = await signedIn();
      const { status, json } = await browser.get("/everywhere-then-logout");
      expect([status, json]).toEqual([200, "ok"]);
      expect((await browser.get("/")).json).toEqual({ user: null, flash: ["signed out everywhere"] });
      await gone(phone);
    });

    test.each(["/everywhere-then-flash", "/everywhere-then-write"])(
      "%s: nobody comes back, where express-session brings the session back",
      async (path) => {
        const { browser, phone } = await signedIn();
        const { status, json } = await browser.get(path);
        const isTold = path.endsWith("flash") && session === ours;
        expect([status, json]).toEqual([200, isTold ? "session_ended" : "ok"]);
        await gone(phone);
        if (session === original) expect((await browser.get("/")).json.user, name).toBe("ada");
        else await gone(browser);
      },
    );
  });
});
