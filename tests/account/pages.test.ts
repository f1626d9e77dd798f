import { readdirSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { cookieHeader } from "../support/app.ts";
import { type Answer, HttpClient } from "../support/http.ts";
import { ROOT, startExample } from "../support/shop.ts";

const PASSWORD = "only for trying it out";
const CODE = "123456";
const page = { accept: "text/html" };

/** Sends a form as a browser does. */
const submit = (client: HttpClient, path: string, fields: Record<string, string> = {}): Promise<Answer> =>
  client.request(path, { method: "POST", headers: page, body: new URLSearchParams(fields) });

const signIn = (client: HttpClient, more: Record<string, string> = {}): Promise<Answer> =>
  submit(client, "/login", { email: "ada@example.com", password: PASSWORD, ...more });

const redirectOf = ({ status, headers }: Answer) => [status, headers.get("location")];

/** openid.md has its own in openid.test.ts. */
const TESTED = [
  "attempts.md",
  "devices-page.md",
  "erasure.md",
  "impersonation.md",
  "lives.md",
  "open-connections.md",
  "openid.md",
  "proofs.md",
  "second-factor.md",
  "trusted-devices.md",
  "why.md",
];

test("every page of docs/account has its story here", () => {
  expect(readdirSync(`${ROOT}/docs/account`).sort()).toEqual(TESTED);
});

describe("docs/account/attempts.md", () => {
  const PAGE = "docs/account/attempts.md";

  test("the sixth attempt waits a minute, and not in a browser in which Ada has signed in before", async () => {
    const ada = await startExample(PAGE);
    expect(redirectOf(await signIn(ada))).toEqual([303, "/"]);
    await ada.post("/logout");
    const guess = (email: string, password = "wrong") =>
      signIn(new HttpClient(ada.base), { email, password });
    const answers = async (email: string) => {
      const found = [];
      for (let turn = 0; turn < 6; turn++) {
        const { status, headers, text } = await guess(email);
        found.push([status, headers.get("retry-after"), text]);
      }
      return found;
    };
    const known = await answers("ada@example.com");
    expect(known.map(([status, wait]) => [status, wait])).toEqual([
      ...Array(5).fill([401, null]),
      [429, "60"],
    ]);
    expect(await answers("nobody@example.com"), "says nothing of who has an account").toEqual(known);
    expect((await guess("ada@example.com", PASSWORD)).status).toBe(429);
    expect(redirectOf(await signIn(ada))).toEqual([303, "/"]);
    const trail = (await ada.get("/trail")).json as { event: string }[];
    expect(trail.filter(({ event }) => event === "signInFailed")).toHaveLength(5);
  });

  test("another site's form uses up nothing, and what is no account is the client's mistake", async () => {
    const ada = await startExample(PAGE);
    for (let turn = 0; turn < 6; turn++) {
      const answer = await ada.request("/login", {
        method: "POST",
        headers: { origin: "https://evil.example" },
        body: new URLSearchParams({ email: "ada@example.com", password: "wrong" }),
      });
      expect(answer.status).toBe(403);
    }
    expect((await submit(ada, "/login", { password: "wrong" })).status).toBe(400);
    expect(redirectOf(await signIn(ada))).toEqual([303, "/"]);
  });
});

test("docs/account/devices-page.md: Ada names her other browser and signs it out, after she has confirmed her password", async () => {
  const ada = await startExample("docs/account/devices-page.md");
  const PAGE = "/account/devices";
  expect(redirectOf(await ada.get(PAGE, page))).toEqual([303, "/"]);
  const phone = new HttpClient(ada.base);
  for (const browser of [phone, ada])
    expect(redirectOf(await signIn(browser, { remember: "on" }))).toEqual([303, PAGE]);
  const shown = await ada.get(PAGE, page);
  expect(shown.text).toMatch(/<dt>Signed in with<\/dt><dd>password/);
  const devices = shown.text.split("<li ").slice(1);
  const other = devices.find((device) => !device.includes("aria-current")) ?? "";
  const handle = /name="handle" value="([^"]+)"/.exec(other)?.[1] ?? "";
  expect(redirectOf(await submit(ada, PAGE, { do: "name", handle, name: "Phone" }))).toEqual([
    303,
    "?done=named",
  ]);
  expect((await ada.get(`${PAGE}?done=named`, page)).text).toContain("<bdi>Phone</bdi>");
  ada.restart();
  expect(redirectOf(await submit(ada, PAGE, { do: "end", handle }))).toEqual([303, "/confirm"]);
  expect(redirectOf(await submit(ada, "/confirm", { password: PASSWORD }))).toEqual([303, PAGE]);
  expect(redirectOf(await submit(ada, PAGE, { do: "end", handle }))).toEqual([303, "?done=ended"]);
  expect(redirectOf(await phone.get(PAGE, page))).toEqual([303, "/"]);
});

test("docs/account/why.md: the browser that was signed out says so, and support knows from where", async () => {
  const ada = await startExample("docs/account/why.md");
  const [phone, support] = [new HttpClient(ada.base), new HttpClient(ada.base)];
  for (const browser of [ada, phone]) await signIn(browser, { remember: "on" });
  await signIn(support, { email: "support@example.com" });
  expect((await submit(ada, "/sign-out-elsewhere")).json).toEqual({ ended: 1 });
  expect(redirectOf(await phone.get("/", page))).toEqual([303, "/login?ended=ended"]);
  expect((await phone.get("/login?ended=ended")).text).toContain("You were signed out from elsewhere");
  expect((await phone.get("/login?ended=<script>")).text).not.toContain("script");
  expect(redirectOf(await new HttpClient(ada.base).get("/", page))).toEqual([303, "/login"]);
  expect((await ada.get("/why/1")).status).toBe(403);
  expect((await support.get("/why/1")).json).toMatchObject([
    { code: "signed_in" },
    { code: "ended_by_user", address: expect.stringContaining("127.0.0.1"), isRecorded: true },
  ]);
});

test("docs/account/erasure.md: a user downloads what is kept, and is gone", async () => {
  const ada = await startExample("docs/account/erasure.md");
  expect(redirectOf(await signIn(ada))).toEqual([303, "/"]);
  const phone = new HttpClient(ada.base);
  await signIn(phone);
  const { email, signIns } = (await ada.get("/my-data")).json;
  expect([email, signIns.version, signIns.userId]).toEqual(["ada@example.com", 1, 1]);
  expect(signIns.sessions).toHaveLength(2);
  expect(signIns.sessions[0]).toMatchObject({ level: "login", address: "127.0.0.0", data: {} });
  expect(signIns.audit).toHaveLength(2);
  expect((await new HttpClient(ada.base).post("/delete-account")).status).toBe(401);
  const deleted = await ada.post("/delete-account");
  expect(deleted.json).toEqual({ sessions: 2, logins: 2, audit: 2 });
  for (const browser of [ada, phone]) expect((await browser.get("/my-data")).status).toBe(401);
  expect((await signIn(ada)).status).toBe(401);
});

test("docs/account/impersonation.md: support acts as Ada, cannot pay, and is named in her trail", async () => {
  const support = await startExample("docs/account/impersonation.md");
  await signIn(support, { email: "support@example.com" });
  expect((await submit(support, "/act-as", { user: "1", reason: "" })).status).toBe(500);
  expect(redirectOf(await submit(support, "/act-as", { user: "1", reason: "ticket 4711" }))).toEqual([
    303,
    "/",
  ]);
  expect((await support.get("/")).json).toMatchObject({
    userId: 1,
    actor: { userId: 2, reason: "ticket 4711" },
  });
  const paying = await support.post("/pay");
  expect([paying.status, paying.json.error.code]).toEqual([403, "impersonating"]);
  expect((await submit(support, "/act-as", { user: "1", reason: "again" })).status, "not fresh").toBe(403);
  expect(redirectOf(await submit(support, "/stop"))).toEqual([303, "/"]);
  expect((await support.get("/")).json).toEqual({ userId: 2 });
  const ada = new HttpClient(support.base);
  await signIn(ada);
  expect((await ada.post("/pay")).json).toBe("paid");
  const trail = (await ada.get("/trail")).json as { event: string; detail?: string }[];
  expect(trail.filter(({ event }) => event.startsWith("impersonation"))).toMatchObject([
    { event: "impersonationEnded", detail: "by 2: ticket 4711" },
    { event: "impersonationBegan", detail: "by 2: ticket 4711" },
  ]);
});

test("docs/account/open-connections.md: a stream ends when its session does, by a sign-out elsewhere", async () => {
  const ada = await startExample("docs/account/open-connections.md");
  const phone = new HttpClient(ada.base);
  expect((await phone.get("/events")).status).toBe(401);
  for (const browser of [ada, phone]) expect(redirectOf(await signIn(browser))).toEqual([303, "/"]);
  expect((await ada.get("/")).text).toContain('<script src="/news.js"></script>');
  expect((await ada.get("/news.js")).text).toContain('new EventSource("/events")');
  const stream = await fetch(`${phone.base}/events`, { headers: { cookie: cookieHeader(phone.jar) ?? "" } });
  expect((await submit(ada, "/elsewhere")).json).toEqual({ ended: 1 });
  expect(await stream.text()).toBe("data: hello\n\nevent: signed-out\ndata:\n\n");
  expect((await phone.get("/events")).status).toBe(401);
});

describe("docs/account/proofs.md", () => {
  const start = async () => {
    const ada = await startExample("docs/account/proofs.md");
    expect((await signIn(ada, { password: "wrong" })).status).toBe(401);
    expect(redirectOf(await signIn(ada))).toEqual([303, "/"]);
    return ada;
  };
  const proved = async (ada: HttpClient) =>
    (await ada.get("/")).json.proofs.map(({ method }: { method: string }) => method);

  test("a transfer asks for the second factor, once", async () => {
    const ada = await start();
    expect((await ada.get("/")).json).toMatchObject({
      level: "login",
      claims: { amr: ["pwd"], acr: "aal1", auth_time: expect.any(Number) },
    });
    expect(redirectOf(await ada.get("/transfer", page))).toEqual([303, "/prove"]);
    expect((await ada.get("/transfer")).json.error.code).toBe("proofs_required");
    const form = (await ada.get("/prove", page)).text;
    expect([form.includes('name="otp"'), form.includes('name="password"')]).toEqual([true, false]);
    expect((await submit(ada, "/prove", { otp: "000000" })).status).toBe(403);
    expect((await ada.get("/transfer")).status).toBe(403);
    expect(redirectOf(await submit(ada, "/prove", { otp: CODE }))).toEqual([303, "/transfer"]);
    expect((await ada.get("/transfer")).json).toBe("a transfer");
    expect((await ada.get("/")).json.claims).toMatchObject({ amr: ["otp", "pwd", "mfa"], acr: "aal2" });
    expect((await ada.get("/payout")).json, "the code is fresh").toBe("a payout");
  });

  test("a remembered user has proved nothing, and is asked for both", async () => {
    const ada = await start();
    await submit(ada, "/prove", { otp: CODE });
    ada.restart();
    expect((await ada.get("/")).json).toMatchObject({ level: "remembered", proofs: [], claims: { amr: [] } });
    expect((await ada.get("/transfer")).status).toBe(403);
    expect((await submit(ada, "/prove", { otp: CODE })).status, "the code alone").toBe(403);
    expect(redirectOf(await submit(ada, "/prove", { otp: CODE, password: PASSWORD }))).toEqual([
      303,
      "/transfer",
    ]);
    expect((await ada.get("/transfer")).json).toBe("a transfer");
  });

  test("a payout asks for a code of the last minutes", async () => {
    const ada = await start();
    expect((await ada.get("/payout")).json.error.code).toBe("fresh_login_required");
    expect(redirectOf(await ada.get("/payout", page))).toEqual([303, "/code"]);
    expect(redirectOf(await submit(ada, "/code", { otp: CODE }))).toEqual([303, "/payout"]);
    expect((await ada.get("/payout")).json).toBe("a payout");
    expect(await proved(ada)).toEqual(["otp", "password"]);
  });
});

describe("docs/account/second-factor.md", () => {
  const PAGE = "docs/account/second-factor.md";

  test("between password and code nobody is signed in, and the tick is kept", async () => {
    const ada = await startExample(PAGE);
    expect(redirectOf(await ada.get("/code", page))).toEqual([303, "/"]);
    expect((await ada.get("/code")).json.error.code).toBe("nothing_pending");
    expect(redirectOf(await signIn(ada, { remember: "on" }))).toEqual([303, "/code"]);
    const form = await ada.get("/code", page);
    expect(form.text).toContain('name="code"');
    expect(form.headers.get("cache-control")).toBe("no-store");
    expect((await ada.get("/")).headers.get("cache-control"), "also where only pending could be seen").toBe(
      "private",
    );
    expect((await ada.get("/account")).status).toBe(401);
    expect((await submit(ada, "/code", { code: "000000" })).status).toBe(403);
    expect((await ada.get("/account")).status).toBe(401);
    expect(redirectOf(await submit(ada, "/code", { code: CODE }))).toEqual([303, "/"]);
    expect((await ada.get("/account")).json).toMatchObject({ userId: 1, claims: { acr: "aal2" } });
    expect((await ada.get("/code")).json.error.code, "a signed-in user has nothing to complete").toBe(
      "nothing_pending",
    );
    ada.restart();
    expect((await ada.get("/")).text).toBe("Signed in: remembered");
    await ada.post("/logout");
    expect((await ada.get("/account")).status).toBe(401);
  });

  test("the code alone, or in another browser, signs nobody in", async () => {
    const ada = await startExample(PAGE);
    await signIn(ada);
    const other = new HttpClient(ada.base);
    expect(redirectOf(await submit(other, "/code", { code: CODE }))).toEqual([303, "/"]);
    expect((await other.get("/account")).status).toBe(401);
  });

  test("five wrong codes are the last, also after another beginning", async () => {
    const ada = await startExample(PAGE);
    await signIn(ada);
    for (let count = 0; count < 5; count++)
      expect((await submit(ada, "/code", { code: String(count) })).status).toBe(403);
    expect((await submit(ada, "/code", { code: CODE })).status).toBe(429);
    await signIn(ada);
    expect((await submit(ada, "/code", { code: CODE })).status).toBe(429);
    expect((await ada.get("/account")).status).toBe(401);
  });
});

describe("docs/account/trusted-devices.md", () => {
  const PAGE = "docs/account/trusted-devices.md";
  const trusting = async () => {
    const ada = await startExample(PAGE);
    expect(redirectOf(await signIn(ada))).toEqual([303, "/code"]);
    expect(redirectOf(await submit(ada, "/code", { code: CODE, trust: "on" }))).toEqual([303, "/"]);
    return ada;
  };

  test("a trusted browser is asked for no code next time, another one is", async () => {
    const ada = await trusting();
    expect((await ada.get("/devices")).json).toMatchObject([
      { current: true, trustedUntil: expect.any(Number) },
    ]);
    await ada.post("/logout");
    ada.restart();
    expect(redirectOf(await signIn(ada))).toEqual([303, "/"]);
    expect((await ada.get("/devices")).json).toContainEqual(expect.objectContaining({ current: true }));
    const phone = new HttpClient(ada.base);
    expect(redirectOf(await signIn(phone))).toEqual([303, "/code"]);
    expect((await phone.get("/devices")).status).toBe(401);
  });

  test("without the tick every sign-in asks for the code", async () => {
    const ada = await startExample(PAGE);
    for (let count = 0; count < 2; count++) {
      expect(redirectOf(await signIn(ada))).toEqual([303, "/code"]);
      await submit(ada, "/code", { code: CODE });
      await ada.post("/logout");
    }
  });

  test("trust ends where the user ends it, and with another authenticator", async () => {
    const ada = await trusting();
    expect((await submit(ada, "/distrust")).json).toEqual({ ended: true });
    expect((await submit(ada, "/distrust")).json).toEqual({ ended: false });
    expect(redirectOf(await signIn(ada))).toEqual([303, "/code"]);
    await submit(ada, "/code", { code: CODE, trust: "on" });
    expect((await submit(ada, "/authenticator")).status).toBe(200);
    expect((await ada.get("/devices")).json).toMatchObject([{ current: true }]);
    expect(redirectOf(await signIn(ada))).toEqual([303, "/code"]);
  });
});

describe("docs/account/lives.md", () => {
  const PAGE = "docs/account/lives.md";
  const MINUTE = 60_000;
  const endsAt = async (client: HttpClient, method = "GET") => {
    const { json, headers } = await client.request("/account/devices/session", { method });
    const now = Date.parse(headers.get("date") ?? "");
    return { ...json.endsAt, left: json.endsAt.idle - now, leftAtMost: json.endsAt.absolute - now };
  };

  test("on a shared computer a sign-in is short, elsewhere it is remembered for a week", async () => {
    const ada = await startExample(PAGE);
    await signIn(ada, { shared: "on" });
    const { left, leftAtMost, remembered } = await endsAt(ada);
    expect([Math.round(left / MINUTE), Math.round(leftAtMost / MINUTE), remembered]).toEqual([
      10,
      60,
      undefined,
    ]);
    const home = new HttpClient(ada.base);
    await signIn(home);
    const days = ((await endsAt(home)).remembered - Date.now()) / (24 * 60 * MINUTE);
    expect(Math.round(days)).toBe(7);
  });

  test("asking does not put off the end, extending does", async () => {
    const ada = await startExample(PAGE);
    await signIn(ada, { shared: "on" });
    const first = await endsAt(ada);
    expect((await endsAt(ada)).idle).toBe(first.idle);
    expect((await ada.get("/news")).json).toEqual([]);
    expect((await endsAt(ada)).idle).toBe(first.idle);
    expect((await endsAt(ada, "POST")).idle).toBeGreaterThan(first.idle);
    expect((await endsAt(ada)).absolute).toBe(first.absolute);
    expect((await ada.request("/account/devices/session", { method: "PUT" })).status).toBe(405);
    expect((await new HttpClient(ada.base).get("/account/devices/session")).json.level).toBe("anonymous");
  });

  test("each user has a limit of devices of their own", async () => {
    const first = await startExample(PAGE);
    const second = new HttpClient(first.base);
    for (const client of [first, second]) await signIn(client, { email: "trial@example.com" });
    expect([(await first.get("/news")).status, (await second.get("/news")).status]).toEqual([401, 200]);
    for (const client of [first, second]) await signIn(client);
    expect([(await first.get("/news")).status, (await second.get("/news")).status]).toEqual([200, 200]);
  });

  test("the page warns two minutes before the end, and its button extends", async () => {
    const ada = await startExample(PAGE);
    await signIn(ada, { shared: "on" });
    expect((await ada.get("/")).text).toContain('<script src="/warn.js"></script>');
    const browser = await new Page(await ada.get("/warn.js")).opened();
    browser.left(9 * MINUTE);
    await browser.turn();
    expect([browser.warns, browser.wait]).toEqual([false, 7 * MINUTE]);
    browser.left(2 * MINUTE);
    await browser.turn();
    expect([browser.warns, browser.isOffered, browser.wait]).toEqual([true, true, 10_000]);
    browser.left(10 * MINUTE);
    await browser.click();
    expect([browser.warns, browser.wait, browser.methods.at(-1)]).toEqual([false, 8 * MINUTE, "POST"]);
    browser.left(MINUTE, { absolute: MINUTE });
    await browser.turn();
    expect([browser.warns, browser.isOffered], "it ends in any case").toEqual([true, false]);
    browser.left(MINUTE, { remembered: 5 * MINUTE });
    await browser.turn();
    expect(browser.warns, "a remembered user comes back").toBe(false);
    browser.answers = undefined;
    await browser.turn();
    expect([browser.wait, browser.reloads]).toEqual([30_000, 0]);
    browser.answers = { status: 401 };
    await browser.turn();
    expect(browser.reloads).toBe(1);
  });
});

const NOW = Date.UTC(2026, 2, 8);

/** As much of a browser as the script needs, with a timer that fires when asked. */
class Page {
  answers: { status: number; endsAt?: object } | undefined;
  wait: number | undefined;
  reloads = 0;
  readonly methods: string[] = [];
  readonly #script: string;
  readonly #elements = { warning: { hidden: true }, stay: { hidden: false, onclick: () => {} } };
  #fire: () => unknown = () => {};
  #done: () => void = () => {};

  constructor({ text }: Answer) {
    this.#script = text;
    this.left(10 * 60_000);
  }

  get warns(): boolean {
    return !this.#elements.warning.hidden;
  }

  get isOffered(): boolean {
    return !this.#elements.stay.hidden;
  }

  left(idle: number, { absolute = 3_600_000, remembered }: { absolute?: number; remembered?: number } = {}) {
    const end = remembered === undefined ? {} : { remembered: NOW + remembered };
    this.answers = { status: 200, endsAt: { idle: NOW + idle, absolute: NOW + absolute, ...end } };
  }

  async opened(): Promise<this> {
    const globals = {
      document: { getElementById: (id: "warning" | "stay") => this.#elements[id] },
      location: {
        reload: () => {
          this.reloads++;
          this.#done();
        },
      },
      clearTimeout: () => {},
      setTimeout: (call: (value: string) => unknown, wait: number, value: string) => {
        this.wait = wait;
        this.#fire = () => call(value);
        this.#done();
      },
      fetch: async (_path: string, { method }: { method: string }) => {
        this.methods.push(method);
        if (this.answers === undefined) throw new TypeError("fetch failed");
        const { status, endsAt } = this.answers;
        const headers = { date: new Date(NOW).toUTCString() };
        return new Response(JSON.stringify({ endsAt }), { status, headers });
      },
      Date,
      Math,
    };
    await this.#until(() => runInContext(this.#script, createContext(globals)));
    return this;
  }

  turn(): Promise<void> {
    return this.#until(this.#fire);
  }

  click(): Promise<void> {
    return this.#until(this.#elements.stay.onclick);
  }

  /** The script has looked at its answer where it waits again, or reloads the page. */
  #until(begin: () => unknown): Promise<void> {
    return new Promise((resolve) => {
      this.#done = resolve;
      begin();
    });
  }
}
