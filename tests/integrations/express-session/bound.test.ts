import express from "express";
import { expect, test } from "vitest";
import { createPsession, memoryStore } from "../../../src/index.ts";
import session from "../../../src/integrations/express-session/index.ts";
import { Visitor } from "../../../src/testing/http/client.ts";
import { BindingBrowser } from "../../../src/testing/http/key-holder.ts";
import { KEY } from "../../support/app.ts";
import { DAY, TestClock } from "../../support/clock.ts";
import { serve } from "../../support/http.ts";
import type { Any } from "./sides.ts";

const HTTPS = { "x-forwarded-proto": "https", "x-forwarded-host": "shop.example" };
const PAGE = {
  ...HTTPS,
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
  "sec-fetch-site": "same-origin",
};

/** Ada came back by her remember cookie after days, and her browser proves nothing. */
async function back() {
  const clock = new TestClock();
  const store = createPsession({ store: memoryStore(), keys: [KEY], clock, prune: false, deviceBound: {} });
  const site = express().set("trust proxy", true);
  site.use(session({ store, secret: KEY, resave: false, saveUninitialized: false } as Any));
  site.get("/login", ({ session: own }: Any, response) => {
    own.csrf ??= "secret";
    response.json(own.csrf);
  });
  site.post("/login", async ({ session: own, query }: Any, response) => {
    if (query.first === undefined && own.csrf === undefined) return void response.status(403).end();
    await own.login("ada", { remember: true });
    response.json("in");
  });
  site.get("/read", ({ session: own }: Any, response) => void response.json(own.isSignedIn === true));
  const visitor = new Visitor(await serve(site));
  const browser = new BindingBrowser(visitor, HTTPS);
  await browser.register(await browser.post("/login?first"));
  await browser.get("/read");
  clock.advance(3 * DAY);
  visitor.restart();
  visitor.jar.delete("__Host-psession-bound");
  return visitor;
}

const signIn = (visitor: Visitor) =>
  visitor.post("/login", { headers: { ...HTTPS, "sec-fetch-site": "same-origin" } });

test("who has lost the key signs in by a page that keeps a secret for that", async () => {
  const visitor = await back();
  await visitor.get("/login", { headers: PAGE });
  expect((await signIn(visitor)).status).toBe(200);
  expect(await visitor.json("/read", { headers: HTTPS })).toBe(true);
});

test("a browser that says why it could not prove its key just now has its session left to it", async () => {
  const visitor = await back();
  await visitor.get("/login", { headers: { ...PAGE, "secure-session-skipped": "unreachable" } });
  expect((await signIn(visitor)).status).toBe(403);
});
