/** What every framework's example does: its pages have the same paths, headings, fields and buttons. */
import assert from "node:assert/strict";
import { temporaryFolder } from "../consumer.ts";
import type { CrossSite, Story } from "./application.ts";
import type { Browsers, Tab, Visit } from "./browsers.ts";
import { PASSWORD, Visitor } from "./visitor.ts";

const HOURS = 60 * 60 * 1000;
const DAYS = 24 * HOURS;
/** Those for users. */
const GUARDED = ["/account", "/billing", "/devices", "/support", "/confirm"];

/** One visitor with one tab, whom nobody has seen before. */
export const inTab =
  (work: (tab: Tab, visit: Visit) => Promise<void>) =>
  async (browsers: Browsers): Promise<void> => {
    const visit = await browsers.stranger();
    try {
      await work(await visit.tab(), visit);
    } finally {
      await visit.close();
    }
  };

export async function signIn(tab: Tab, { email = "ada@example.com", remember = false } = {}): Promise<void> {
  await tab.goto("/login");
  await tab.type("email", email);
  await tab.type("password", PASSWORD);
  if (remember) await tab.tick("remember");
  await tab.press("Sign in");
}

async function signInAsGrace(tab: Tab): Promise<void> {
  await signIn(tab, { email: "grace@example.com" });
  await tab.heading("Enter the code");
  await tab.type("code", "123456");
  await tab.press("Continue");
  await tab.heading("Account of Grace");
}

async function confirmPassword(tab: Tab): Promise<void> {
  await tab.heading("Confirm your password");
  await tab.type("password", PASSWORD);
  await tab.press("Confirm");
}

const overHttp = ({ status, says }: CrossSite): readonly Story[] => [
  {
    name: "without scripts: a wrong password, a sign-in, a message that is shown once, and a sign-out",
    async run({ origin }) {
      const ada = new Visitor(origin);
      await ada.open("/account");
      assert.equal(ada.heading, "Sign in");
      await ada.press("Sign in", { fields: { password: "wrong" } });
      assert.equal(ada.heading, "Sign in");
      await ada.open("/account");
      const welcome = await ada.press("Sign in", { fields: { password: PASSWORD } });
      assert.equal(ada.heading, "Account of Ada");
      assert.match(welcome.text, /role="status">(?:<!--.*?-->)*Welcome, Ada\./);
      assert.doesNotMatch((await ada.open("/account")).text, /Welcome/);
      await ada.press("Sign out");
      assert.equal(ada.heading, "Shop");
      await ada.open("/account");
      assert.equal(ada.heading, "Sign in");
    },
  },
  {
    name: "without scripts: the tick brings a user back with her cart, and a page asks for the password again",
    async run({ origin }) {
      const ada = new Visitor(origin);
      await ada.open("/");
      await ada.press("Add to cart", { fields: { item: "spoon" } });
      await ada.open("/billing");
      await ada.press("Sign in", { fields: { password: PASSWORD, remember: "on" } });
      assert.deepEqual([ada.heading, ada.path], ["Your cards", "/billing"]);
      ada.restart();
      const back = await ada.open("/");
      assert.match(back.text, /id="cart"[^>]*>(?:<!--.*?-->)*spoon/);
      assert.match(back.text, /id="level"[^>]*>(?:<!--.*?-->)*remembered/);
      await ada.open("/billing");
      assert.equal(ada.heading, "Confirm your password");
      await ada.press("Confirm", { fields: { password: PASSWORD } });
      assert.deepEqual([ada.heading, ada.path], ["Your cards", "/billing"]);
      const grace = new Visitor(origin);
      await grace.signIn("ada@example.com");
      grace.restart();
      await grace.open("/account");
      assert.equal(grace.heading, "Sign in", "without the tick nobody is remembered");
    },
  },
  {
    name: "without scripts: after a wrong password or code, the next one leads to the page that was asked for as well",
    async run({ origin }) {
      const [ada, grace] = [new Visitor(origin), new Visitor(origin)];
      const leads = (visitor: Visitor) =>
        assert.deepEqual([visitor.heading, visitor.path], ["Your cards", "/billing"]);
      await ada.open("/billing");
      await ada.press("Sign in", { fields: { password: "wrong", remember: "on" } });
      assert.equal(ada.heading, "Sign in");
      await ada.press("Sign in", { fields: { password: PASSWORD, remember: "on" } });
      leads(ada);
      ada.restart();
      await ada.open("/billing");
      await ada.press("Confirm", { fields: { password: "wrong" } });
      assert.equal(ada.heading, "Confirm your password");
      await ada.press("Confirm", { fields: { password: PASSWORD } });
      leads(ada);
      await grace.open("/billing");
      await grace.press("Sign in", { fields: { email: "grace@example.com", password: PASSWORD } });
      await grace.press("Continue", { fields: { code: "000000" } });
      assert.equal(grace.heading, "Enter the code");
      await grace.press("Continue", { fields: { code: "123456" } });
      leads(grace);
    },
  },
  {
    name: "between the password and the code no page of a user opens",
    async run({ origin }) {
      const grace = new Visitor(origin);
      await grace.signIn("grace@example.com");
      assert.equal(grace.heading, "Enter the code");
      for (const path of GUARDED) {
        const answer = await grace.get(path, { accept: "text/html" });
        assert.ok([303, 307].includes(answer.status), `${path} answers ${answer.status}`);
        await grace.open(path);
        assert.equal(grace.heading, "Sign in", path);
      }
      await grace.open("/code");
      await grace.press("Continue", { fields: { code: "000000" } });
      assert.equal(grace.heading, "Enter the code");
      await grace.press("Continue", { fields: { code: "123456" } });
      assert.equal(grace.heading, "Account of Grace");
    },
  },
  {
    name: "answers behind a guard are kept by no cache, whether it lets in or not",
    async run({ origin }) {
      const visitor = new Visitor(origin);
      for (const path of GUARDED) {
        const { status, headers } = await visitor.get(path, { accept: "text/html" });
        assert.ok([303, 307].includes(status));
        assert.match(headers.get("cache-control") ?? "", /no-store/, path);
      }
      await visitor.signIn("support@example.com");
      for (const path of GUARDED) {
        const { status, headers } = await visitor.get(path, { accept: "text/html" });
        assert.equal(status, 200);
        assert.match(headers.get("cache-control") ?? "", /no-store/, path);
      }
    },
  },
  {
    name: "a form that another site sends is refused, and changes nothing",
    async run({ origin }) {
      const ada = new Visitor(origin);
      for (const from of ["https://evil.example", "null"]) {
        const headers = { origin: from, "sec-fetch-site": "cross-site" };
        await ada.open("/login");
        const signingIn = await ada.send("Sign in", { fields: { password: PASSWORD }, headers });
        assert.equal(signingIn.status, status, `a sign-in from ${from}`);
        assert.match(signingIn.text, says);
        assert.deepEqual(signingIn.setCookie, []);
      }
      await ada.signIn();
      for (const from of ["https://evil.example", "null"]) {
        const headers = { origin: from, "sec-fetch-site": "cross-site" };
        await ada.open("/account");
        assert.equal((await ada.send("Sign out", { headers })).status, status, `a sign-out from ${from}`);
      }
      await ada.open("/account");
      assert.equal(ada.heading, "Account of Ada");
    },
  },
  {
    name: "nobody is sent on to another site after the sign-in",
    async run({ origin }) {
      for (const next of ["//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example"]) {
        const ada = new Visitor(origin);
        await ada.open(`/login?next=${encodeURIComponent(next)}`);
        const answer = await ada.send("Sign in", { fields: { password: PASSWORD } });
        assert.equal(answer.headers.get("location"), "/account", next);
      }
    },
  },
];

const inBrowsers: readonly Story[] = [
  {
    name: "a sign-in, a message that is shown once, and a sign-out",
    inBrowser: inTab(async (tab) => {
      await signIn(tab);
      await tab.heading("Account of Ada");
      await tab.until(`document.querySelector("[role=status]")?.textContent === "Welcome, Ada."`);
      await tab.reload();
      await tab.heading("Account of Ada");
      assert.equal(await tab.count("[role=status]"), 0);
      await tab.press("Sign out");
      await tab.heading("Shop");
      await tab.goto("/account");
      await tab.heading("Sign in");
    }),
  },
  {
    name: "ten tabs at once after the browser was closed for three days, and the password again for one page",
    async inBrowser(browsers, site) {
      const profile = temporaryFolder("profile");
      const before = await browsers.onProfile(profile);
      try {
        const tab = await before.tab();
        await tab.goto("/");
        await tab.type("item", "spoon");
        await tab.press("Add to cart");
        await tab.until(`document.querySelector("#cart")?.textContent === "spoon"`);
        await signIn(tab, { remember: true });
        await tab.heading("Account of Ada");
      } finally {
        await before.close();
      }
      await site.restart(3 * DAYS);
      const after = await browsers.onProfile(profile);
      try {
        const tabs = await Promise.all(Array.from({ length: 10 }, () => after.tab()));
        await Promise.all(tabs.map((tab) => tab.goto("/account")));
        for (const tab of tabs) {
          await tab.heading("Account of Ada");
          assert.equal(await tab.text("#level"), "remembered");
        }
        const [first] = tabs;
        assert(first !== undefined);
        await first.goto("/");
        assert.equal(await first.text("#cart"), "spoon");
        await first.goto("/billing");
        await confirmPassword(first);
        await first.heading("Your cards");
        assert.equal(first.path, "/billing");
        for (const tab of tabs.slice(1)) {
          await tab.reload();
          await tab.heading("Account of Ada");
          assert.equal(await tab.text("#level"), "login");
        }
        assert.doesNotMatch(site.printed(), /stolen cookie/);
      } finally {
        await after.close();
        await site.restart(0);
      }
    },
  },
  {
    name: "an open page says who is signed in and until when, without being a use; its button is one",
    async inBrowser(browsers, site) {
      const visit = await browsers.stranger();
      try {
        const tab = await visit.tab();
        await signIn(tab);
        await tab.heading("Account of Ada");
        const says = (text: string) =>
          tab.until(`document.querySelector("#who")?.textContent.includes("${text}")`);
        const lasts = async (minutes: number) => {
          await says("Ada is signed in until");
          const end = `Date.parse(document.querySelector("#who time")?.dateTime)`;
          await tab.until(`Math.abs((${end} - Date.now()) / 60_000 - ${minutes}) < 2`);
        };
        const later = async (hours: number) => {
          await site.restart(hours * HOURS);
          await tab.lookAgain();
        };
        await lasts(120);
        await later(1);
        await lasts(60);
        // Had the page's own question been a use, this would be longer.
        await later(1.5);
        await lasts(30);
        await tab.press("Stay signed in");
        await lasts(120);
        await later(3);
        await lasts(30);
        await later(3.6);
        await says("You are signed out.");
      } finally {
        await visit.close();
        await site.restart(0);
      }
    },
  },
  {
    name: "the back button after a sign-out does not show the account",
    inBrowser: inTab(async (tab) => {
      await signIn(tab);
      await tab.heading("Account of Ada");
      await tab.press("Sign out");
      await tab.heading("Shop");
      await tab.back();
      await tab.heading("Sign in");
    }),
  },
  {
    name: "the back button after a sign-out in another tab does not show the account, though the browser keeps pages",
    inBrowser: inTab(async (tab, visit) => {
      await signIn(tab);
      await tab.heading("Account of Ada");
      await tab.goto("/kept-by-browsers");
      await tab.goto("/account");
      await tab.heading("Account of Ada");
      await tab.goto("/kept-by-browsers?2");
      const other = await visit.tab();
      await other.goto("/account");
      await other.press("Sign out");
      await other.heading("Shop");
      await tab.back();
      await tab.heading("Sign in");
      // This browser does keep pages. If it did not, the answer above would show nothing.
      await tab.back();
      await tab.heading("Kept");
    }),
  },
  {
    name: "nobody is signed in between the password and the code",
    inBrowser: inTab(async (tab) => {
      await signIn(tab, { email: "grace@example.com" });
      await tab.heading("Enter the code");
      await tab.goto("/account");
      await tab.heading("Sign in");
      await tab.goto("/code");
      await tab.type("code", "123456");
      await tab.press("Continue");
      await tab.heading("Account of Grace");
    }),
  },
  {
    name: "support acts as a user, does not see her cards, and goes back",
    inBrowser: inTab(async (tab) => {
      await signIn(tab, { email: "support@example.com" });
      await tab.heading("Account of Support");
      await tab.goto("/support");
      await tab.press("Act as Ada");
      await tab.heading("Account of Ada");
      await tab.goto("/billing");
      await tab.until(`document.querySelector("h1") !== null`);
      assert.notEqual(await tab.text("h1"), "Your cards");
      await tab.goto("/account");
      await tab.press("Stop");
      await tab.heading("Support");
      await tab.goto("/account");
      await tab.heading("Account of Support");
    }),
  },
  {
    name: "a device is ended from another one",
    async inBrowser(browsers) {
      const [one, two] = [await browsers.stranger(), await browsers.stranger()];
      try {
        const [here, there] = [await one.tab(), await two.tab()];
        await signInAsGrace(there);
        await signInAsGrace(here);
        await here.goto("/devices");
        for (let count = await here.count("li button"); count > 0; count--) {
          await here.press("End");
          await here.until(`document.querySelectorAll("li button").length === ${count - 1}`);
        }
        await there.goto("/account");
        await there.heading("Sign in");
        await here.goto("/account");
        await here.heading("Account of Grace");
      } finally {
        await Promise.all([one.close(), two.close()]);
      }
    },
  },
];

/** `crossSite`: how the framework answers a form that another site sends. */
export const stories = (crossSite: CrossSite): readonly Story[] => [...overHttp(crossSite), ...inBrowsers];
