import { createHook } from "node:async_hooks";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { createTransport } from "nodemailer";
import { expect, onTestFinished, test, vi } from "vitest";
import { selfSigned } from "./support/certificate.ts";
import { DAY, HOUR, MINUTE } from "./support/clock.ts";
import { type Fields, FormBrowser } from "./support/form-browser.ts";
import { closed, listening } from "./support/http.ts";
import { filesOf } from "./support/page.ts";
import { NGINX_BINARY } from "./support/servers/binaries.ts";
import { type Nginx, startNginx } from "./support/servers/nginx.ts";
import { freePort } from "./support/servers/ports.ts";
import { describeWith } from "./support/servers/reach.ts";
import { folderForApp, ROOT, startApp } from "./support/shop.ts";
import { temporaryFolder } from "./support/temp.ts";

const FOLDER = join(ROOT, "examples/whole-application");
const ORIGIN = "https://shop.example";
const PASSWORD = "correct horse battery staple";
const ANOTHER = "quite another battery staple";

interface Mail {
  readonly to: readonly { readonly address: string }[];
  readonly subject: string;
  readonly text: string;
}

/** Behind the time by so much as is still to pass: what nginx says of the present is then in the future, and not believed. */
class ClockThatCatchesUp {
  #behind = 60 * DAY;
  now(): number {
    return Date.now() - this.#behind;
  }
  advance(milliseconds: number): void {
    this.#behind -= milliseconds;
  }
  catchUp(): void {
    this.#behind = 0;
  }
}

interface Shop {
  readonly clock: ClockThatCatchesUp;
  readonly database: DatabaseSync;
  readonly file: string;
  readonly nginx: Nginx;
  readonly ports: { readonly http: number; readonly https: number };
  browser(options?: { address?: string; userAgent?: string }): FormBrowser;
  /** The next mail to that address. */
  mail(to: string): Promise<Mail>;
  /** Mails that nobody has looked at. */
  mails(): readonly Mail[];
}

/** The application as the page has it, behind nginx with its configuration. */
async function openShop(): Promise<Shop> {
  const { createApp } = await import(pathToFileURL(join(FOLDER, "app.js")).href);
  const clock = new ClockThatCatchesUp();
  const file = join(temporaryFolder(), "shop.sqlite");
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL");
  const inbox: Mail[] = [];
  const waiting: (() => void)[] = [];
  const transport = createTransport({ jsonTransport: true }, { from: "shop@shop.example" });
  const sendMail = async (mail: object) => {
    const { message } = (await transport.sendMail(mail)) as { message: string };
    inbox.push(JSON.parse(message));
    for (const wake of waiting.splice(0)) wake();
  };
  const keys = ["k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0"];
  const { app, psession } = createApp({ database, keys, origin: ORIGIN, sendMail, clock });
  const behind = createServer(app);
  await listening(behind);
  onTestFinished(async () => {
    await closed(behind);
    await psession.close();
    database.close();
  });
  const { port } = behind.address() as { port: number };
  const ports = { http: await freePort(), https: await freePort() };
  const { key, cert } = selfSigned("shop.example");
  const nginx = await startNginx({
    port: ports.https,
    files: { "cert.pem": cert, "key.pem": key },
    http: (folder) =>
      replaced(readFileSync(join(FOLDER, "nginx.conf"), "utf8"), {
        "127.0.0.1:3000": `127.0.0.1:${port}`,
        "listen 80 ": `listen 127.0.0.1:${ports.http} `,
        "listen 443 ssl default_server": `listen 127.0.0.1:${ports.https} ssl default_server`,
        "listen 443 ssl;": `listen 127.0.0.1:${ports.https} ssl;`,
        "/etc/ssl/shop.example.pem": join(folder, "cert.pem"),
        "/etc/ssl/private/shop.example.key": join(folder, "key.pem"),
      }),
  });
  const mail = async (to: string): Promise<Mail> => {
    for (;;) {
      const index = inbox.findIndex((one) => one.to[0]?.address === to);
      const [found] = index < 0 ? [] : inbox.splice(index, 1);
      if (found !== undefined) return found;
      await new Promise<void>((wake) => waiting.push(wake));
    }
  };
  const site = { origin: ORIGIN, port: ports.https, certificate: cert, clock };
  const browser: Shop["browser"] = (options) => new FormBrowser(site, options);
  return { clock, database, file, nginx, ports, browser, mail, mails: () => inbox };
}

/** Each is there once: a configuration that has become another one would be tried out unchanged. */
function replaced(text: string, by: Readonly<Record<string, string>>): string {
  return Object.entries(by).reduce((sofar, [from, to]) => {
    expect(sofar.split(from)).toHaveLength(2);
    return sofar.replace(from, to);
  }, text);
}

const linkIn = ({ text }: Mail): string =>
  /https:\/\/shop\.example(\/choose-password\?token=\S+)/.exec(text)?.[1] ?? "";

/** Asks for a link, follows it, and chooses a password. */
async function choosePassword(shop: Shop, browser: FormBrowser, email: string, password = PASSWORD) {
  await browser.open("/register");
  await browser.submit("/link", { email });
  await browser.open(linkIn(await shop.mail(email)));
  return browser.submit("/choose-password", { password });
}

async function signIn(browser: FormBrowser, email: string, fields: Fields = {}) {
  await browser.open("/login");
  return browser.submit("/login", { email, password: PASSWORD, ...fields });
}

const ADA = "ada@example.com";
const isIn = async (browser: FormBrowser): Promise<boolean> =>
  (await browser.open("/")).text.includes("Signed in as");

describeWith(NGINX_BINARY, "a whole application behind nginx", () => {
  test("a user registers, fills a cart, ticks the box, and is back days later with all of it", async () => {
    const shop = await openShop();
    const ada = shop.browser();
    await ada.open("/");
    await ada.submit("/cart", { item: "<b>tea</b> & milk" });
    const home = await choosePassword(shop, ada, ADA);
    expect(home.text).toContain(`Signed in as ${ADA}`);
    expect(home.text).toContain("&lt;b&gt;tea&lt;/b&gt; &amp; milk");
    await ada.submit("/logout");
    await ada.submit("/cart", { item: "bread" });
    expect((await signIn(ada, ADA, { remember: true })).text).toContain("bread");
    ada.restart();
    shop.clock.advance(5 * DAY);
    expect((await ada.open("/")).text).toMatch(/bread[\s\S]*Signed in as ada@example\.com/);
    // Nobody is told of a new device who has just made the account, or who came back on it.
    expect(shop.mails()).toEqual([]);
  });

  test("without the tick, a closed browser is signed out", async () => {
    const shop = await openShop();
    const ada = shop.browser();
    await choosePassword(shop, ada, ADA);
    await ada.submit("/logout");
    await signIn(ada, ADA);
    ada.restart();
    expect(await isIn(ada)).toBe(false);
    await ada.open("/devices");
    expect(ada.path).toBe("/login?next=%2Fdevices");
  });

  test("a remembered user confirms the password before sensitive actions", async () => {
    const shop = await openShop();
    const ada = shop.browser();
    await choosePassword(shop, ada, ADA);
    await signIn(ada, ADA, { remember: true });
    ada.restart();
    shop.clock.advance(HOUR);
    await ada.open("/password");
    expect(ada.path).toBe("/confirm?next=%2Fpassword");
    const wrong = await ada.submit("/confirm", { password: "wrong" });
    expect(wrong.status).toBe(401);
    const before = ada.cookie;
    await ada.submit("/confirm", { password: PASSWORD });
    expect(ada.path).toBe("/password");
    expect(ada.cookie).not.toBe(before);
    // Ten minutes later it is asked for again, also by the form, which comes back to the page that it was on.
    shop.clock.advance(11 * MINUTE);
    await ada.submit("/password", { password: ANOTHER });
    expect(ada.path).toBe("/confirm?next=%2Fpassword");
    await ada.submit("/confirm", { password: PASSWORD });
    expect((await ada.submit("/password", { password: "short" })).text).toContain("at least 15 characters");
    expect((await ada.submit("/password", { password: ANOTHER })).text).toContain(
      "Your password was changed.",
    );
  });

  test("a second device is announced by mail, is in the list, and can be ended", async () => {
    const shop = await openShop();
    const laptop = shop.browser();
    await choosePassword(shop, laptop, ADA);
    shop.clock.advance(DAY);
    await signIn(laptop, ADA, { remember: true });
    const iphone =
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
    const phone = shop.browser({ address: "127.0.0.2", userAgent: iphone });
    await signIn(phone, ADA, { remember: true });
    const news = await shop.mail(ADA);
    expect(news.subject).toBe("Acme Shop: new sign-in to your account");
    expect(news.text).toMatch(/from: Safari on iOS, 127\.0\.0\.2[\s\S]*https:\/\/shop\.example\/devices/);
    const { text } = await laptop.open("/devices");
    expect(text).toMatch(/Safari on iOS, 127\.0\.0\.2/);
    expect(text).toMatch(/Firefox on Linux, 127\.0\.0\.1, last seen .*\n\(this device\)/);
    await laptop.submit("/devices/end");
    expect(await isIn(phone)).toBe(false);
    expect(await isIn(laptop)).toBe(true);
    await signIn(phone, ADA, { remember: true });
    await laptop.open("/devices");
    await laptop.submit("/devices/end-others");
    phone.restart();
    expect(await isIn(phone)).toBe(false);
    // It is known by now.
    expect(shop.mails()).toEqual([]);
  });

  test("a device's handle is of no use to other users", async () => {
    const shop = await openShop();
    const [ada, bob] = [shop.browser(), shop.browser()];
    await choosePassword(shop, ada, ADA);
    await choosePassword(shop, bob, "bob@example.com");
    const second = shop.browser();
    await signIn(second, ADA);
    const { text } = await ada.open("/devices");
    const handle = /name="handle" value="([^"]+)"/.exec(text)?.[1] ?? "";
    await bob.open("/devices");
    await bob.send("/devices/end", { body: new URLSearchParams({ handle }).toString() });
    expect(await isIn(second)).toBe(true);
  });

  test("a changed password signs the other devices out, and sends a mail", async () => {
    const shop = await openShop();
    const [laptop, phone] = [shop.browser(), shop.browser()];
    await choosePassword(shop, laptop, ADA);
    await signIn(phone, ADA, { remember: true });
    await laptop.open("/password");
    const home = await laptop.submit("/password", { password: ANOTHER });
    expect(home.text).toContain("Your password was changed. Other devices that were signed out: 1.");
    expect((await laptop.open("/")).text).not.toContain("Your password was changed.");
    expect((await shop.mail(ADA)).text).toContain("One other device was signed out.");
    expect(await isIn(laptop)).toBe(true);
    expect(await isIn(phone)).toBe(false);
    phone.restart();
    expect(await isIn(phone)).toBe(false);
    expect((await signIn(phone, ADA)).status).toBe(401);
    await signIn(phone, ADA, { password: ANOTHER });
    expect(await isIn(phone)).toBe(true);
  });

  test("a forgotten password is reset by a mailed link, which works once and signs all devices out", async () => {
    const shop = await openShop();
    const [old, ada] = [shop.browser(), shop.browser()];
    await choosePassword(shop, old, ADA);
    await signIn(old, ADA, { remember: true });
    await ada.open("/forgot");
    await ada.submit("/link", { email: ` ${ADA.toUpperCase()} ` });
    const mail = await shop.mail(ADA);
    expect(mail.text).toContain("asked for a new password");
    const link = linkIn(mail);
    // Scanners of mail look at links, and take nothing away by that.
    for (let look = 0; look < 2; look++) {
      const page = await ada.open(link);
      expect(page.status).toBe(200);
      expect(page.headers["referrer-policy"]).toBe("strict-origin");
      expect(page.headers["cache-control"]).toBe("no-store");
    }
    expect((await ada.submit("/choose-password", { password: "too short" })).text).toContain("at least 15");
    await ada.open(link);
    await ada.submit("/choose-password", { password: ANOTHER });
    expect(await isIn(ada)).toBe(true);
    expect(await isIn(old)).toBe(false);
    expect((await shop.mail(ADA)).subject).toBe("Acme Shop: your password was changed");
    expect((await ada.open(link)).status).toBe(400);
    expect((await signIn(old, ADA)).status).toBe(401);
    expect((await signIn(old, ADA, { password: ANOTHER })).status).toBe(200);
  });

  test("a reset link expires after half an hour, and all of them when the password is set", async () => {
    const shop = await openShop();
    const ada = shop.browser();
    await choosePassword(shop, ada, ADA);
    const links: string[] = [];
    for (let request = 0; request < 2; request++) {
      await ada.open("/forgot");
      await ada.submit("/link", { email: ADA });
      links.push(linkIn(await shop.mail(ADA)));
    }
    const [first = "", second = ""] = links;
    shop.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const stored = readFileSync(shop.file);
    expect(stored.includes(ADA)).toBe(true);
    const tokens = links.map((link) => link.split("token=")[1] ?? "");
    for (const token of tokens)
      for (const encoding of ["utf8", "base64url"] as const)
        expect(stored.includes(Buffer.from(token, encoding))).toBe(false);
    await ada.open(first);
    await ada.submit("/choose-password", { password: ANOTHER });
    expect((await ada.open(second)).status).toBe(400);
    const bob = "bob@example.com";
    await ada.open("/register");
    await ada.submit("/link", { email: bob });
    const late = linkIn(await shop.mail(bob));
    await ada.open(late);
    shop.clock.advance(31 * MINUTE);
    expect((await ada.submit("/choose-password", { password: PASSWORD })).status).toBe(400);
    const log = shop.nginx.accessLog();
    expect(log).toContain("GET /register ");
    for (const token of tokens) expect(log).not.toContain(token);
  });

  test("a reset link that is used twice at once works once", async () => {
    const shop = await openShop();
    const [ada, eve] = [shop.browser(), shop.browser()];
    await ada.open("/register");
    await ada.submit("/link", { email: ADA });
    const link = linkIn(await shop.mail(ADA));
    for (const browser of [ada, eve]) await browser.open(link);
    const both = await Promise.all([
      ada.submit("/choose-password", { password: PASSWORD }),
      eve.submit("/choose-password", { password: ANOTHER }),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 400]);
    // However the two were timed: the link is taken by one of them.
    const { Users } = await import(pathToFileURL(join(FOLDER, "users.js")).href);
    const users = new Users(shop.database);
    const token = users.newLink(ADA, 0);
    expect([users.takeLink(token, 1)?.email, users.takeLink(token, 1)]).toEqual([ADA, undefined]);
  });

  test("answers and work do not reveal whether an account exists", async () => {
    const shop = await openShop();
    const ada = shop.browser();
    await choosePassword(shop, ada, ADA);
    const stranger = shop.browser({ address: "127.0.0.3" });
    const derivations = counted("SCRYPTREQUEST");
    const answers: string[] = [];
    const work: number[] = [];
    for (const email of [ADA, "nobody@example.com"]) {
      const before = derivations();
      const { status, text } = await signIn(stranger, email, { password: "wrong" });
      answers.push(`${status} ${text}`);
      work.push(derivations() - before);
    }
    expect(answers[0]).toBe(answers[1]);
    expect(work).toEqual([1, 1]);
    const sent: string[] = [];
    for (const email of [ADA, "nobody@example.com"]) {
      await stranger.open("/forgot");
      const { status, text } = await stranger.submit("/link", { email });
      sent.push(`${status} ${text}`);
    }
    expect(sent[0]).toBe(sent[1]);
    expect((await shop.mail("nobody@example.com")).text).toContain("wants an account");
  });

  // Twenty-two hashes of passwords.
  test("after ten wrong passwords an account refuses sign-ins for a while, whether it exists or not", {
    timeout: 180_000,
  }, async () => {
    const shop = await openShop();
    const ada = shop.browser();
    await choosePassword(shop, ada, ADA);
    const answers: number[][] = [];
    for (const [index, email] of [ADA, "nobody@example.com"].entries()) {
      const eve = shop.browser({ address: `127.0.0.${10 + index}` });
      const statuses: number[] = [];
      for (let guess = 0; guess < 11; guess++)
        statuses.push((await signIn(eve, email, { password: `guess ${guess}` })).status);
      answers.push(statuses);
    }
    expect(answers[0]).toEqual([...Array(10).fill(401), 429]);
    expect(answers[1]).toEqual(answers[0]);
    // Who is in stays in.
    expect(await isIn(ada)).toBe(true);
  });

  test("a copied remember cookie is refused, and its owner gets a mail", async () => {
    const shop = await openShop();
    const [ada, thief] = [shop.browser(), shop.browser({ address: "127.0.0.9" })];
    await choosePassword(shop, ada, ADA);
    await signIn(ada, ADA, { remember: true });
    ada.restart();
    thief.receive({
      headers: { "set-cookie": `${ada.cookie.split("; ").find((pair) => pair.includes("-remember"))}` },
    });
    for (let day = 0; day < 2; day++) {
      shop.clock.advance(DAY);
      ada.restart();
      expect(await isIn(ada)).toBe(true);
      expect(await isIn(ada)).toBe(true);
    }
    shop.clock.advance(HOUR);
    expect(await isIn(thief)).toBe(false);
    expect((await shop.mail(ADA)).subject).toBe("Acme Shop: somebody else used your sign-in");
    expect(await isIn(ada)).toBe(false);
  });

  test("a request from another site changes nothing", async () => {
    const shop = await openShop();
    const ada = shop.browser();
    await choosePassword(shop, ada, ADA);
    const body = "item=spoon";
    for (const headers of [
      { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
      { "sec-fetch-site": "same-site", origin: "https://blog.shop.example" },
    ])
      expect((await ada.send("/cart", { body, headers })).status).toBe(403);
    expect((await ada.open("/")).text).not.toContain("spoon");
    for (const next of ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example"]) {
      await ada.open(`/login?next=${encodeURIComponent(next)}`);
      await ada.submit("/login", { email: ADA, password: PASSWORD });
      expect(ada.path).toBe("/");
    }
  });

  test("forwarding headers that a visitor sends are ignored", async () => {
    const shop = await openShop();
    const ada = shop.browser();
    await choosePassword(shop, ada, ADA);
    const forged = {
      "x-forwarded-for": "203.0.113.7",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "evil.example",
    };
    const body = new URLSearchParams({ email: ADA, password: PASSWORD }).toString();
    expect((await ada.send("/login", { body, headers: forged })).status).toBe(303);
    const { text } = await ada.open("/devices");
    expect(text).not.toContain("203.0.113.7");
    expect(text).toContain("127.0.0.1");
    await ada.open("/register");
    const asked = new URLSearchParams({ email: ADA }).toString();
    await ada.send("/link", { body: asked, headers: forged });
    expect((await shop.mail(ADA)).text).toContain("https://shop.example/choose-password");
  });

  test("a sign-in whose headers arrived before a password change is refused, however late its body is", async () => {
    const shop = await openShop();
    shop.clock.catchUp();
    const [ada, slow] = [shop.browser(), shop.browser()];
    await choosePassword(shop, ada, ADA);
    await ada.open("/password");
    const body = new URLSearchParams({ email: ADA, password: ANOTHER }).toString();
    const headers = {
      expect: "100-continue",
      "content-length": String(body.length),
      // The visitor says that it comes later than all the rest, and is not believed.
      "x-request-start": `t=${Date.now() / 1000 + 60}`,
    };
    const early = slow.start("/login", { headers });
    await early.awaited;
    await ada.submit("/password", { password: ANOTHER });
    early.finish(body);
    expect((await early.answer).status).toBe(401);
    expect(await isIn(slow)).toBe(false);
    expect((await signIn(slow, ADA, { password: ANOTHER })).status).toBe(200);
  });

  test("while the database is down a page says so, and nobody is signed out", async () => {
    const shop = await openShop();
    const ada = shop.browser();
    await choosePassword(shop, ada, ADA);
    await signIn(ada, ADA, { remember: true });
    ada.restart();
    shop.clock.advance(DAY);
    const before = ada.cookie;
    const database = breaking(shop.database);
    const page = await ada.open("/");
    expect(page.status).toBe(503);
    expect(page.text).toContain("You are still signed in");
    expect(page.headers["set-cookie"]).toBeUndefined();
    const unsaved = await ada.send("/cart", { body: "item=spoon" });
    expect(unsaved.status).toBe(503);
    for (const { headers } of [page, unsaved]) {
      expect(headers["content-security-policy"]).toContain("default-src 'none'");
      expect(headers["cache-control"]).toBe("no-store");
    }
    expect(database.faults).toHaveBeenCalled();
    database.mend();
    shop.database.exec("ALTER TABLE psession_sessions RENAME TO away");
    expect(await ada.open("/devices")).toMatchObject({
      status: 500,
      headers: { "cache-control": "no-store" },
    });
    shop.database.exec("ALTER TABLE away RENAME TO psession_sessions");
    expect(ada.cookie).toBe(before);
    expect(await isIn(ada)).toBe(true);
  });

  test("a database that fails while a link is used leaves the link as it was", async () => {
    const shop = await openShop();
    const [ada, old] = [shop.browser(), shop.browser()];
    await choosePassword(shop, old, ADA);
    await ada.open("/forgot");
    await ada.submit("/link", { email: ADA });
    const link = linkIn(await shop.mail(ADA));
    await ada.open(link);
    const database = breaking(shop.database);
    expect((await ada.submit("/choose-password", { password: ANOTHER })).status).toBe(503);
    database.mend();
    await ada.open(link);
    await ada.submit("/choose-password", { password: ANOTHER });
    expect(await isIn(ada)).toBe(true);
    expect(await isIn(old)).toBe(false);
  });

  test("plain http redirects to https, and another host name leads to nothing", async () => {
    const shop = await openShop();
    const plain = await fetch(`http://127.0.0.1:${shop.ports.http}/login?next=%2F`, { redirect: "manual" });
    expect(plain.status).toBe(301);
    expect(plain.headers.get("location")).toBe("https://shop.example/login?next=%2F");
    const { headers } = await shop.browser().open("/login");
    expect(headers["strict-transport-security"]).toBe("max-age=31536000");
    await expect(fetch(`https://127.0.0.1:${shop.ports.https}/`)).rejects.toThrow();
  });
});

/** From now on no session is stored, as on a disk that is full. */
function breaking(database: DatabaseSync) {
  const faults = vi.spyOn(console, "error").mockImplementation(() => {});
  onTestFinished(() => faults.mockRestore());
  const triggers = ["INSERT", "UPDATE"].map((kind) => {
    const name = `broken_${kind.toLowerCase()}`;
    const fails = "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END";
    database.exec(`CREATE TRIGGER ${name} BEFORE ${kind} ON psession_sessions ${fails}`);
    return name;
  });
  const mend = () => {
    for (const name of triggers) database.exec(`DROP TRIGGER ${name}`);
  };
  return { faults, mend };
}

/** Counts what Node is asked to do of one kind. */
function counted(kind: string): () => number {
  let count = 0;
  const hook = createHook({
    init: (_id, type) => {
      if (type === kind) count++;
    },
  }).enable();
  onTestFinished(() => void hook.disable());
  return () => count;
}

test("the server starts as it is, and says what is missing", async () => {
  const file = join(FOLDER, "server.js");
  const env = { ORIGIN, SMTP: "smtp://127.0.0.1:1", MAIL_FROM: "shop@shop.example" };
  const folder = folderForApp();
  const client = await startApp(file, folder, undefined, { env });
  expect((await client.get("/login")).text).toContain("Remember me on this device");
  expect(existsSync(join(folder, "shop.sqlite"))).toBe(true);
  const run = promisify(execFile)(process.execPath, [file], {
    cwd: folder,
    env: { SESSION_KEYS: "", ...env },
  });
  await expect(run).rejects.toThrow("SESSION_KEYS is not set.");
});

test("the page has every file of the application, as it is", () => {
  const shown = filesOf(readFileSync(join(ROOT, "docs/whole-application.md"), "utf8"));
  expect(shown.map(([name]) => name).sort()).toEqual(readdirSync(FOLDER).sort());
  for (const [name, text] of shown) expect(text, name).toBe(readFileSync(join(FOLDER, name), "utf8"));
});
