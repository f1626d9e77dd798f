import assert from "node:assert/strict";
import { join } from "node:path";
import type { Framework, Story } from "./application.ts";
import type { Contract } from "./contract.ts";
import { inTab, signIn } from "./stories.ts";
import { Visitor } from "./visitor.ts";

const own: readonly Story[] = [
  {
    name: "somebody who acts as a user says why, is shown to act, and is refused what only she may see",
    async run({ origin }) {
      const support = new Visitor(origin);
      await support.signIn("support@example.com");
      await support.open("/support");
      assert.equal((await support.send("Act as Ada", { fields: { reason: "" } })).status, 400);
      await support.press("Act as Ada", { fields: { reason: "ticket 4711" } });
      assert.match((await support.open("/")).text, /support@example.com acts as this user/);
      assert.equal((await support.open("/billing")).status, 403);
      const ada = new Visitor(origin);
      await ada.signIn();
      assert.equal((await ada.open("/support")).status, 403);
    },
  },
  {
    name: "a sign-out elsewhere ends a streamed answer, and the devices are listed as JSON",
    async run({ origin }) {
      const [laptop, phone] = [new Visitor(origin), new Visitor(origin)];
      await laptop.signIn();
      await phone.signIn();
      const cookie = [...phone.jar].map(([name, { value }]) => `${name}=${value}`).join("; ");
      const stream = await fetch(`${origin}/news`, { headers: { cookie } });
      const { devices } = (await phone.get("/account/devices")).json as {
        devices: { handle: string; current: boolean }[];
      };
      const handle = devices.find(({ current }) => current)?.handle ?? "";
      const ended = await laptop.request("/devices", {
        method: "POST",
        headers: { accept: "text/html", origin },
        body: new URLSearchParams({ handle }),
      });
      assert.equal(ended.status, 303);
      assert.equal(await stream.text(), "data: hello\n\nevent: signed-out\ndata:\n\n");
      assert.equal((await phone.get("/news")).status, 401);
    },
  },
  {
    name: "data requests of signed-out visitors are sent to the sign-in by SvelteKit's own redirect",
    async run({ origin }) {
      const answer = await new Visitor(origin).get("/account/__data.json?x-sveltekit-invalidated=111&tab=1");
      assert.deepEqual(answer.json, {
        type: "redirect",
        status: 303,
        location: "/login?next=%2Faccount%3Ftab%3D1",
      });
      assert.match(answer.headers.get("cache-control") ?? "", /no-store/);
    },
  },
  {
    name: "SvelteKit refuses forms of other sites, and originCheck everything else that changes something",
    async run({ origin }) {
      const ada = new Visitor(origin);
      await ada.signIn();
      const extend = (headers: Record<string, string>) => ada.post("/account/devices/session", {}, headers);
      assert.equal((await extend({ origin: "https://evil.example" })).status, 403);
      assert.equal((await extend({ "sec-fetch-site": "cross-site" })).status, 403);
      assert.equal((await extend({ origin })).status, 200);
    },
  },
  {
    name: "a prerendered page needs no session and sets no cookie",
    async run({ origin }) {
      const ada = new Visitor(origin);
      await ada.signIn();
      const { status, setCookie, text } = await ada.open("/about");
      assert.deepEqual([status, setCookie], [200, []]);
      assert.match(text, /prerendered/);
    },
  },
  {
    name: "remote functions use the session: a command, the query that it refreshes, a form",
    inBrowser: inTab(async (tab) => {
      await signIn(tab);
      await tab.heading("Account of Ada");
      await tab.goto("/account");
      await tab.click("#add:enabled");
      await tab.until(`document.querySelector("#cart")?.textContent === "pen"`);
      await tab.reload();
      await tab.until(`document.querySelector("#cart")?.textContent === "pen"`);
      await tab.press("Empty the cart");
      await tab.until(`document.querySelector("#cart")?.textContent === ""`);
    }),
  },
];

const contract: Contract = {
  folder: "sveltekit-contract",
  build: { commands: [["vite", "build"]] },
  refused: [
    {
      name: "a prerendered page that asks for its session stops the build, and says why",
      command: ["vite", "build"],
      env: { PRERENDER_SESSION: "1" },
      says: /A page that is prerendered must not ask/,
    },
  ],
  runs: [
    {
      name: "HTTP contract and what SvelteKit alone has",
      values: [join(import.meta.dirname, "sveltekit-contract.ts")],
      exceptions: {
        "whole addresses as targets, of other sites too, lead back to a path":
          "SvelteKit answers such a target with 400.",
        "schemes ignore case, and wss is as secure as https":
          "adapter-node takes a forwarded scheme as it is written.",
        "a PsessionError has its status and says when to try again, and no cache keeps it":
          "All of it holds but the last: the error page for a failed save is made out of a hook's reach, without " +
          "no-store. Its status is 503, which caches keep only where they are asked to.",
      },
    },
  ],
};

export const sveltekit: Framework = {
  name: "sveltekit",
  builds: [{ name: "adapter-node", commands: [["vite", "build"]], start: ["node", "build"] }],
  types: ["svelte-check"],
  crossSite: { status: 403, says: /Cross-site/ },
  stories: own,
  contract,
};
