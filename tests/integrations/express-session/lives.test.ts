import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { HOUR } from "../../support/clock.ts";
import { type Any, type Express, ours, SIDES, STRONG, start } from "./sides.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2030, 0, 1) }));
afterEach(() => void vi.useRealTimers());
const pass = (milliseconds: number) => void vi.setSystemTime(Date.now() + milliseconds);

const visit = (app: Express) => {
  app.get("/visit", (request: Any, response) => {
    request.session.seen = (request.session.seen ?? 0) + 1;
    response.json(request.session.seen);
  });
};

/** What a browser makes of a line (RFC 6265 section 5.3): false where it drops the cookie at once. */
const keeps = (line = ""): boolean => {
  const [, maxAge] = /Max-Age=(-?\d+)/.exec(line) ?? [];
  const [, expires = ""] = /Expires=([^;]+)/.exec(line) ?? [];
  return maxAge === undefined ? !(Date.parse(expires) <= Date.now()) : Number(maxAge) > 0;
};

describe.each(SIDES)("an expiry in the past: %s", (_, session, options) => {
  const PASTS: [string, (cookie: Any) => void][] = [
    ["maxAge below zero", (cookie) => Object.assign(cookie, { maxAge: -5000 })],
    ["maxAge zero", (cookie) => Object.assign(cookie, { maxAge: 0 })],
    ["a date", (cookie) => Object.assign(cookie, { expires: new Date(Date.now() - 5000) })],
  ];
  test.each(PASTS)("that a handler sets as %s makes the browser drop the cookie", async (_, set) => {
    const client = await start(session, options(), (app) => {
      visit(app);
      app.get("/past", (request: Any, response) => {
        request.session.seen = 9;
        set(request.session.cookie);
        response.json(9);
      });
    });
    expect(keeps((await client.get("/visit")).setCookie[0])).toBe(true);
    const { setCookie } = await client.get("/past");
    expect(setCookie.map(keeps)).toEqual([false]);
  });

  test("that holds for all does as well", async () => {
    for (const cookie of [{ maxAge: -5000 }, { maxAge: 0 }, { expires: new Date(Date.now() - 5000) }]) {
      const client = await start(session, { ...options(), cookie }, visit);
      const { setCookie, json } = await client.get("/visit");
      expect([json, setCookie.map(keeps)]).toEqual([1, [false]]);
    }
  });
});

test("a date for all sessions is kept, and what only reads stores nothing", async () => {
  const store = memoryStore();
  const options: SessionOptions = { store, secret: STRONG, cookie: { expires: new Date(Date.now() + HOUR) } };
  const client = await start(ours, options, (app) => {
    visit(app);
    app.get("/read", (request: Any, response) => {
      pass(7);
      response.json(request.session.seen ?? null);
    });
  });
  expect((await client.get("/read")).setCookie).toEqual([]);
  const { setCookie } = await client.get("/visit");
  expect(setCookie[0]).toContain("Expires=Tue, 01 Jan 2030 01:00:00 GMT");
  pass(HOUR / 2);
  expect((await client.get("/visit")).json).toBe(2);
  pass(HOUR / 2);
  expect((await client.get("/visit")).json).toBe(1);
});

describe.each(SIDES)("save() where nothing was changed: %s", (_, session, options) => {
  const client = (given: SessionOptions = {}) =>
    start(session, { ...options(), ...given }, (app) => {
      visit(app);
      app.get("/save", (request: Any, response) => {
        request.session.save((error: Any) => {
          if (error) return response.json(error.code);
          request.sessionStore.get(request.sessionID, (failed: Any, found: Any) => {
            response.json(failed?.code ?? (found ? "stored" : "empty"));
          });
        });
      });
      app.get("/reload", (request: Any, response) => {
        request.session.save(() => {
          request.session.reload((error: Any) => response.json(error?.code ?? "read"));
        });
      });
      app.get("/out", (request: Any, response) => {
        delete request.session.seen;
        request.session.save(() => response.json("out"));
      });
    });

  test.each([[false], [true]])(
    "stores a new session all the same (saveUninitialized: %j)",
    async (saveUninitialized) => {
      expect((await (await client({ saveUninitialized })).get("/save")).json).toBe("stored");
      expect((await (await client({ saveUninitialized })).get("/reload")).json).toBe("read");
    },
  );

  test("leaves one that existed as it was", async () => {
    const visitor = await client();
    await visitor.get("/visit");
    expect((await visitor.get("/save")).json).toBe("stored");
    expect((await visitor.get("/reload")).json).toBe("read");
    expect((await visitor.get("/visit")).json).toBe(2);
  });
});
