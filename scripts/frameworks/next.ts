import assert from "node:assert/strict";
import type { Framework, Story } from "./application.ts";
import type { Contract } from "./contract.ts";
import { signIn } from "./stories.ts";
import { PASSWORD, Visitor } from "./visitor.ts";

const STANDALONE = {
  start: ["node", ".next/standalone/server.js"],
  copies: [[".next/static", ".next/standalone/.next/static"]],
} as const;

const own: readonly Story[] = [
  {
    name: "a component that changes the session fails, and says where to do it",
    async run({ origin }) {
      const { text } = await new Visitor(origin).open("/probe/write");
      for (const what of ["session.set()", "session.login()", "session.flash.set()", "session.temp.set()"])
        assert.match(text, new RegExp(`${what.replace(/[.()]/g, "\\$&")} changes the session`));
      assert.match(text, /data: TypeError/);
    },
  },
  {
    name: "a route handler commits, also where it redirects or throws a response",
    async run({ origin }) {
      const client = new Visitor(origin);
      assert.equal((await client.post("/api/cart", { item: "fork" })).status, 307);
      assert.deepEqual((await client.get("/api/cart")).json, ["fork"]);
      assert.equal((await client.post("/probe/throws")).status, 418);
      assert.deepEqual((await client.get("/api/cart")).json, ["fork", "thrown"]);
      assert.equal((await client.get("/probe/members")).status, 401);
    },
  },
  {
    name: "another site changes nothing by a route, and what is rendered after an action shows what it did",
    async run({ origin }) {
      const client = new Visitor(origin);
      const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
      assert.equal((await client.post("/api/cart", { item: "fork" }, headers)).status, 403);
      await client.open("/");
      await client.send("Add to cart", { fields: { item: "forged" }, headers });
      assert.deepEqual((await client.get("/api/cart")).json, []);
      const shown = await client.send("Add to cart", { fields: { item: "own" } });
      assert.match(shown.text, /<p id="cart">own<\/p>/);
    },
  },
  {
    name: "a client cannot say what the proxy says",
    async run({ origin }) {
      const client = new Visitor(origin);
      const forged = Buffer.from(JSON.stringify([0, "GET", "//evil.example"])).toString("base64url");
      const headers = { accept: "text/html", "x-psession-visit": `${forged}.AAAAAAAAAAAAAAAAAAAAAA` };
      const through = await client.get("/account", headers);
      assert.equal(through.headers.get("location"), "/login?next=%2Faccount");
      // Here the proxy does not run.
      const around = await client.get("/account", { ...headers, "next-router-prefetch": "1", rsc: "1" });
      assert.doesNotMatch(JSON.stringify([...around.headers]) + around.text, /evil/);
    },
  },
  {
    name: "a prefetch shows no message, and gets no cookie",
    async run({ origin, printed }) {
      const client = new Visitor(origin);
      await client.post("/probe/flash");
      const headers = { "next-router-prefetch": "1", rsc: "1", accept: "*/*" };
      const ahead = await client.get("/probe/act", headers);
      assert.deepEqual(ahead.setCookie, []);
      assert.doesNotMatch(ahead.text, /saved once/);
      assert.match((await client.open("/probe/act")).text, /saved once/);
      assert.doesNotMatch((await client.open("/probe/act")).text, /saved once/);
      assert.doesNotMatch(printed(), /PSESSION_COPIES/);
    },
  },
];

const belowBasePath: readonly Story[] = [
  {
    name: "guards of pages and route handlers lead to pages below the base path, and remembered users are back at its root",
    async run({ origin }) {
      const ada = new Visitor(origin);
      await ada.open("/shop/billing");
      assert.deepEqual([ada.heading, ada.path], ["Sign in", "/shop/login?next=%2Fbilling"]);
      const refused = await ada.get("/shop/probe/users", { accept: "text/html" });
      assert.equal(refused.headers.get("location"), "/shop/login?next=%2Fprobe%2Fusers");
      const { headers } = await ada.send("Sign in", { fields: { password: PASSWORD, remember: "on" } });
      // Next adds the base path where scripts send the form, as in browsers. If it did here as well, this line would fail.
      assert.equal(headers.get("location"), "/billing");
      ada.restart();
      assert.match((await ada.open("/shop")).text, /id="level"[^>]*>(?:<!--.*?-->)*remembered/);
      await ada.open("/shop/billing");
      assert.deepEqual([ada.heading, ada.path], ["Confirm your password", "/shop/confirm?next=%2Fbilling"]);
      const { json } = await ada.get("/shop/account/devices/session");
      assert.deepEqual([json.level, json.profile], ["remembered", { name: "Ada" }]);
    },
  },
];

const MINUTES = 60_000;

const bound: readonly Story[] = [
  {
    name: "who signs in by an action is bound, and pages and actions have the key proved now",
    only: "Chromium",
    async inBrowser(browsers, site) {
      const visit = await browsers.binding(site.pin);
      try {
        const tab = await visit.tab();
        await signIn(tab);
        await tab.heading("Account of Ada");
        await tab.goto("/");
        // Once the browser has registered its key, by itself.
        await tab.reloadUntil(`document.querySelector("#level").textContent === "device-bound"`);
        await site.restart(2 * MINUTES);
        await tab.goto("/probe/transfer?a=b");
        await tab.heading("Transfer");
        assert.equal(tab.path, "/probe/transfer?a=b");
        const proved = Number(await tab.text("#proved"));
        assert(proved > Date.now() + MINUTES, "by the clock of the server, which is ahead");
        await site.restart(4 * MINUTES);
        // The page comes anew, and the form is to be sent again.
        await tab.press("Send");
        await tab.until(`Number(document.querySelector("#proved")?.textContent) > ${proved + MINUTES}`);
        await tab.press("Send");
        await tab.until(`document.querySelector("p")?.textContent === "Sent 7."`);
      } finally {
        await visit.close();
        await site.restart(0);
      }
    },
  },
];

const OF_NEXT = {
  "a body of known length arrives whole, with that length": "Next streams every body, without a length.",
  "what a handler changed before it failed is saved with the error's page":
    "Next answers an error without the cookies of its jar. Data of a stored session is saved.",
  "an address is the connection's own where no proxy is trusted":
    "Next does not say it, and keeps an X-Forwarded-For that a client sent.",
  "forwarding headers that the options do not trust are noticed":
    "Next fills these headers in itself, so they come with every request.",
  "streams, redirects, 304, answers without a body, HEAD and errors have pages' cache headers":
    "Next answers an error itself, and says nothing to caches. All before that holds.",
  "a form that a guard refuses leads back to the page that it was on, as its own path takes no GET":
    'Next writes "?now" as "?now=".',
  "whole addresses as targets, of other sites too, lead back to a path":
    "Next redirects such targets before anything else runs.",
};

const TWO_SESSIONS = "The proxy opens the session, and the handler that comes after it does so again.";

const contract: Contract = {
  folder: "next-contract",
  build: { commands: [["next", "build"]] },
  runs: [
    { name: "route handlers alone", values: ["contract.mjs"], exceptions: OF_NEXT },
    {
      name: "behind the proxy",
      values: ["contract.mjs", "proxied"],
      exceptions: {
        ...OF_NEXT,
        "reading costs one read, and changing one write more": TWO_SESSIONS,
        "a request of a bound session costs one read, and so does one without the option": TWO_SESSIONS,
        "a page that does not ask for its session costs no read, where the framework lets an integration see that":
          TWO_SESSIONS,
        "a remembered browser that was closed is back with its cart, and must prove itself for more":
          "The handler finds the session that the proxy has restored.",
        "a client that says it wants a WebSocket gets no token's exchange spared: ordinary pages are answered as ever":
          "The handler finds the session that the proxy has restored.",
        "what a browser fetches ahead, and HEAD, do not count as use": TWO_SESSIONS,
        "what a browser fetches ahead exchanges no token: it is refused, and the page itself is asked for again":
          "The handler finds the session that the proxy has restored.",
        "changes that another site sends are refused before the session is read":
          "The proxy runs before the handler that refuses them.",
        "requests that the option session.isPassive means do not put off the idle end, by header, method or whole path":
          TWO_SESSIONS,
        "GET /session below the devices says who is signed in and until when, and is no use of the session; POST is one":
          "The proxy does not know which handler comes after it, and counts a use.",
        "a handler is in its own request, also after a parsed body and a timer, and requests do not mix":
          TWO_SESSIONS,
        "requests that follow on one connection are each in their own": TWO_SESSIONS,
      },
    },
  ],
};

export const next: Framework = {
  name: "next",
  builds: [
    { name: "Turbopack, standalone", commands: [["next", "build"]], ...STANDALONE },
    { name: "webpack, standalone", commands: [["next", "build", "--webpack"]], ...STANDALONE },
    // The last one: its files stay.
    {
      name: "Turbopack, standalone, below a base path",
      commands: [["next", "build"]],
      ...STANDALONE,
      below: {
        path: "/shop",
        files: "next-base-path",
        edits: [
          {
            file: "lib/sessions.ts",
            before: "keys: process.env.SESSION_KEYS",
            text: 'deviceBound: { path: "/shop/device-bound" },\n    ',
          },
        ],
        stories: [...belowBasePath, ...bound],
      },
    },
  ],
  types: ["tsc", "--noEmit"],
  // Next throws before the action, and says no more than this in production.
  crossSite: { status: 500, says: /Internal Server Error|500/ },
  stories: own,
  contract,
};
