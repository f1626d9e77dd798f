import { writeFileSync } from "node:fs";
import { createServer, IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import express5 from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { closed, HttpClient, listening } from "../../support/http.ts";
import { temporaryFolder } from "../../support/temp.ts";
import { type Any, EXPRESSES, SIDES, STRONG, start, WEAK } from "./sides.ts";

const require = createRequire(import.meta.url);
const csurf = require("csurf") as Any;
const lusca = require("lusca") as Any;
const serveStatic = require("serve-static") as Any;
const { rateLimit } = require("express-rate-limit") as Any;
const { Strategy: LocalStrategy } = require("passport-local") as Any;
const { Strategy: RememberStrategy } = require("passport-remember-me") as Any;
// Its own, old passport patches every request of Node's; the passport in use would take what it left there.
for (const name of ["login", "logIn", "logout", "logOut", "isAuthenticated", "isUnauthenticated"]) {
  Reflect.deleteProperty(IncomingMessage.prototype, name);
}
const cookieParser = require("cookie-parser") as Any;
const { Server } = require("socket.io") as Any;
const { io } = require("socket.io-client") as Any;

const form = (client: HttpClient, path: string, fields: Record<string, string>) =>
  client.request(path, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(fields).toString(),
  });

describe.each(EXPRESSES)("%s", (_, makeExpress) => {
  describe.each(SIDES)("%s", (_, session, options) => {
    test.each([
      ["csurf", () => csurf(), (request: Any) => request.csrfToken()],
      ["lusca", () => lusca.csrf(), (_request: Any, response: Any) => response.locals._csrf],
    ])("%s finds its secret again", async (_, protect, tokenOf) => {
      const client = await start(
        session,
        options(),
        (app) => {
          app.use(express5.urlencoded({ extended: false }) as Any, protect());
          app.get("/token", (request, response) => void response.send(tokenOf(request, response)));
          app.post("/change", (_request, response) => void response.send("changed"));
        },
        makeExpress,
      );
      const { text } = await client.get("/token");
      expect((await form(client, "/change", { _csrf: text })).text).toBe("changed");
      expect((await form(client, "/change", { _csrf: "forged" })).text).toMatch(/csrf/i);
      const stranger = new HttpClient(client.base);
      expect((await form(stranger, "/change", { _csrf: text })).text).toMatch(/csrf/i);
    });

    test("serve-static serves files, parts of them and 304", async () => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, "file.txt"), "0123456789");
      const client = await start(
        session,
        { ...options(), saveUninitialized: true },
        (app) => void app.use(serveStatic(folder)),
        makeExpress,
      );
      const whole = await client.get("/file.txt");
      expect([whole.text, whole.headers.get("content-length"), whole.setCookie.length]).toEqual([
        "0123456789",
        "10",
        1,
      ]);
      const part = await client.get("/file.txt", { range: "bytes=2-4" });
      expect([part.status, part.text]).toEqual([206, "234"]);
      const again = await client.get("/file.txt", {
        "if-none-match": whole.headers.get("etag") ?? "",
        "cache-control": "max-age=0",
        pragma: "",
      });
      expect([again.status, again.text]).toEqual([304, ""]);
      expect((await client.request("/file.txt", { method: "HEAD" })).text).toBe("");
    });

    test("express-rate-limit counts by session", async () => {
      const client = await start(
        session,
        options(),
        (app) => {
          app.use((request: Any, _response, next) => {
            request.session.known = true;
            next();
          });
          app.use(
            rateLimit({ limit: 2, keyGenerator: (request: Any) => request.sessionID, windowMs: 3_600_000 }),
          );
          app.get("/", (_request, response) => void response.send("ok"));
        },
        makeExpress,
      );
      expect((await client.get("/")).status).toBe(200);
      expect((await client.get("/")).status).toBe(200);
      const limited = await client.get("/");
      expect([limited.status, limited.headers.get("ratelimit-limit") ?? "2"]).toEqual([429, "2"]);
    });

    test("passport-remember-me brings a user back, each token once", async () => {
      const { Passport } = require("passport") as Any;
      const passport = new Passport();
      const tokens = new Map<string, number>();
      let issued = 0;
      const issue = (user: { id: number }, done: Any) => {
        const token = `token-${++issued}`;
        tokens.set(token, user.id);
        done(null, token);
      };
      passport.use(new LocalStrategy((_name: string, _word: string, done: Any) => done(null, { id: 7 })));
      passport.use(
        new RememberStrategy(
          { cookie: { httpOnly: true } },
          (token: string, done: Any) => {
            const id = tokens.get(token);
            tokens.delete(token);
            done(null, id === undefined ? false : { id });
          },
          issue,
        ),
      );
      passport.serializeUser((user: { id: number }, done: Any) => done(null, user.id));
      passport.deserializeUser((id: number, done: Any) => done(null, { id }));
      const client = await start(
        ((given: Any) => {
          const parse = cookieParser();
          const middleware = session(given);
          return (request: Any, response: Any, next: Any) =>
            parse(request, response, () => middleware(request, response, next));
        }) as typeof session,
        options(),
        (app) => {
          app.use(express5.urlencoded({ extended: false }) as Any);
          app.use(passport.initialize(), passport.session(), passport.authenticate("remember-me"));
          app.post("/login", passport.authenticate("local"), (request: Any, response) => {
            issue(request.user, (_error: Any, token: string) => {
              response.cookie("remember_me", token, { path: "/", maxAge: 604_800_000 });
              response.redirect("/");
            });
          });
          app.get("/", (request: Any, response) => void response.json(request.user?.id ?? null));
        },
        makeExpress,
      );
      await form(client, "/login", { username: "ada", password: "right" });
      expect((await client.get("/")).json).toBe(7);
      client.restart();
      expect([...client.jar.keys()]).toEqual(["remember_me"]);
      const back = await client.get("/");
      expect(back.json).toBe(7);
      // A sign-in of psession's clears a remember cookie of its own.
      const set = back.setCookie.filter((line) => !line.includes("Max-Age=0"));
      expect(set.map((line) => line.split("=")[0]).sort()).toEqual(["connect.sid", "remember_me"]);
      expect((await client.get("/")).json).toBe(7);
      expect(tokens.size).toBe(1);
    });
  });
});

describe("socket.io", () => {
  test.each(SIDES)("sees the session and can change it: %s", async (name, session, options) => {
    const middleware = session({ secret: WEAK, resave: false, saveUninitialized: false, ...options() });
    const app = express5();
    app.use(middleware as Any);
    app.get("/", (request: Any, response) => {
      request.session.name ??= "ada";
      response.json(request.session);
    });
    const server = createServer(app as Any);
    await listening(server);
    onTestFinished(() => closed(server));
    const sockets = new Server(server);
    onTestFinished(() => void sockets.close());
    sockets.engine.use(middleware);
    const failures: unknown[] = [];
    const fail = (error: unknown) => void failures.push(error);
    process.on("unhandledRejection", fail);
    onTestFinished(() => void process.off("unhandledRejection", fail));
    sockets.on("connection", (socket: Any) => {
      socket.on("rename", (to: string, answer: Any) => {
        const { request } = socket;
        request.session.reload((error: Any) => {
          if (error) return answer(error.message);
          request.session.name = to;
          request.session.save((failed: Any) => answer(failed?.message ?? request.session.name));
        });
      });
    });

    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = new HttpClient(base);
    await client.get("/");
    for (const transports of [["websocket"], ["polling"]]) {
      const cookie = [...client.jar].map(([key, { value }]) => `${key}=${value}`).join("; ");
      const socket = io(base, { transports, extraHeaders: { cookie }, reconnection: false });
      onTestFinished(() => void socket.disconnect());
      const named = `${name} by ${transports[0]}`;
      expect(await socket.emitWithAck("rename", named)).toBe(named);
      expect((await client.get("/")).json.name).toBe(named);
      // Without a cookie there is a session too, and nothing is thrown.
      const stranger = io(base, { transports, reconnection: false });
      onTestFinished(() => void stranger.disconnect());
      await new Promise<void>((resolve, reject) => {
        stranger.on("connect", resolve);
        stranger.on("connect_error", reject);
      });
    }
    expect(failures).toEqual([]);
  });

  test("a plain object in place of a response is taken", async () => {
    for (const [, session, options] of SIDES.slice(1)) {
      const middleware = session({ secret: STRONG, resave: false, saveUninitialized: true, ...options() });
      const request: Any = { url: "/", headers: {}, method: "GET", socket: {} };
      await new Promise<void>((resolve, reject) => {
        middleware(request, {} as Any, (error) => (error ? reject(error) : resolve()));
      });
      expect(Object.keys(request.session)).toEqual(["cookie"]);
    }
  });
});
