/** Device-bound sessions in real Chromium, whose key is one of software here: what it does at https, as it is with users. */
import { createHash, X509Certificate } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import { createServer, request as secureRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import express, { type Express } from "express";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createPsession, memoryStore, type Psession, type PsessionOptions } from "../../src/index.ts";
import {
  requireKeyProof,
  requireLevel,
  requireLogin,
  sessions,
} from "../../src/integrations/express/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { KEY } from "../support/app.ts";
import { selfSigned } from "../support/certificate.ts";
import { isChromiumMissing, launch, launchAlone } from "../support/chromium.ts";
import { TestClock } from "../support/clock.ts";
import { closed, listening } from "../support/http.ts";
import { NGINX_BINARY } from "../support/servers/binaries.ts";
import { startNginx } from "../support/servers/nginx.ts";
import { freePort } from "../support/servers/ports.ts";
import { describeWith } from "../support/servers/reach.ts";
import { temporaryFolder } from "../support/temp.ts";

vi.setConfig({ testTimeout: 120_000 });

const COOKIE = "__Host-psession-bound";
const MINUTE = 60_000;

/** One key for all: Chromium trusts it by its digest, as it binds nothing where it trusts every certificate. */
const TLS = selfSigned("localhost");
const PIN = createHash("sha256")
  .update(new X509Certificate(TLS.cert).publicKey.export({ type: "spki", format: "der" }))
  .digest("base64");
const FLAGS = [
  `--ignore-certificate-errors-spki-list=${PIN}`,
  "--enable-features=DeviceBoundSessions:RefreshQuota/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
];

let browser: Browser | undefined;
afterAll(() => browser?.close());

/** A browser of a user's own; `profile`: one that can be closed and opened again. */
async function start(profile?: string, scripts = true): Promise<BrowserContext> {
  let context: BrowserContext;
  if (profile === undefined) {
    browser ??= await launchAlone(FLAGS);
    context = await browser.newContext();
  } else context = await launch(profile, { flags: FLAGS, scripts });
  onTestFinished(() => context.close());
  return context;
}

interface Seen {
  readonly path: string;
  readonly status: number;
  readonly hasProof: boolean;
  readonly skipped: string | undefined;
}

interface Served {
  readonly url: string;
  readonly psession: Psession;
  readonly clock: TestClock;
  readonly seen: Seen[];
  /** How often a key was proved. */
  refreshes(): number;
}

interface SiteOptions extends Partial<PsessionOptions> {
  /** Seconds, in place of what psession says: no test waits for ten minutes. */
  readonly maxAge?: number;
  /** Where pages come from, where that is a proxy. */
  readonly trustsProxy?: boolean;
}

/** A site over https, with sign-in, account and pages that ask for more. */
async function serve({ maxAge, trustsProxy = false, ...options }: SiteOptions = {}): Promise<Served> {
  const clock = new TestClock(Date.now());
  const store = options.store ?? memoryStore();
  const psession = createPsession({ keys: [KEY], clock, prune: false, deviceBound: {}, ...options, store });
  onTestFinished(() => psession.close());
  const seen: Seen[] = [];
  const site = express();
  site.set("env", "test").set("trust proxy", trustsProxy);
  site.use((request, response, next) => {
    const { cookie = "" } = request.headers;
    const skipped = request.headers["secure-session-skipped"];
    response.on("finish", () => {
      const { path } = request;
      const { statusCode: status } = response;
      seen.push({
        path,
        status,
        hasProof: cookie.includes(`${COOKIE}=`),
        skipped: skipped && String(skipped),
      });
    });
    if (maxAge !== undefined) shorten(response, maxAge);
    next();
  });
  routes(site, psession);
  const server = trustsProxy ? createPlainServer(site) : createServer(TLS, site);
  await listening(server as never);
  onTestFinished(() => closed(server as never));
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  const refreshes = () =>
    seen.filter(({ path, status }) => path === "/device-bound/refresh" && status === 200).length;
  return { url, psession, clock, seen, refreshes };
}

function shorten(response: express.Response, maxAge: number): void {
  const { setHeader } = response;
  response.setHeader = (name, value) =>
    setHeader.call(
      response,
      name,
      name.toLowerCase() === "set-cookie" && Array.isArray(value)
        ? value.map((line) =>
            line.startsWith(COOKIE) ? line.replace("Max-Age=600", `Max-Age=${maxAge}`) : line,
          )
        : value,
    );
}

function routes(site: Express, psession: Psession): void {
  site.use(sessions(psession as never));
  site.get("/favicon.ico", (_request, response) => void response.status(204).end());
  site.get("/login", async ({ session, query }, response) => {
    await session.login("ada", { remember: "remember" in query });
    response.redirect(303, "/");
  });
  site.get("/logout", async ({ session }, response) => {
    await session.logout();
    response.redirect(303, "/");
  });
  // As a browser does when the time of the cookie is over.
  site.get("/expire", (_request, response) => {
    response.set("Set-Cookie", `${COOKIE}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax`);
    response.set("Cache-Control", "no-store").send("<h1>expired</h1>");
  });
  site.get("/api", ({ session }, response) => {
    response.json({ userId: session.userId ?? null, level: session.level });
  });
  site.get(
    "/bound",
    requireLevel("device-bound"),
    (_request, response) => void response.send("<h1>bound</h1>"),
  );
  const form = `<form method="post" action="/pay"><input name="sum" value="7"><button>Pay</button></form>`;
  site.get("/pay", requireLogin(), (_request, response) => void response.send(form));
  site.use(express.urlencoded());
  site.post("/pay", requireKeyProof({ within: "1m" }), ({ body }, response) => {
    response.send(`<h1>paid ${(body as { sum: string }).sum}</h1>`);
  });
  site.get(
    "/now",
    requireKeyProof({ within: "1m" }),
    (_request, response) => void response.send("<h1>proved now</h1>"),
  );
  site.get("/", ({ session }, response) => {
    response
      .set("Cache-Control", "no-store")
      .send(`<h1>${session.userId ?? "nobody"}, ${session.level}</h1>`);
  });
}

const heading = (page: Page) => page.locator("h1").textContent();

const hasProof = async (context: BrowserContext): Promise<boolean> =>
  (await context.cookies()).some(({ name }) => name === COOKIE);

/** Signs in, and waits until the browser has registered its key. */
async function signIn(context: BrowserContext, { url, clock }: Served, query = ""): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${url}/login${query}`);
  await expect.poll(() => hasProof(context), { timeout: 20_000 }).toBe(true);
  await page.goto(`${url}/`);
  // From here on the long cookie alone opens nothing.
  clock.advance(2 * MINUTE);
  return page;
}

/** Keys of hardware do not leave with a profile. Here they are of software and lie in it, so they are made unusable. */
function leaveKeyBehind(profile: string): void {
  const file = join(profile, "Default", "Device Bound Sessions");
  const bytes = readFileSync(file);
  // As a private key of P-256 begins in DER (RFC 5915).
  const head = Buffer.from("30250201010420", "hex");
  let keys = 0;
  for (let at = bytes.indexOf(head); at !== -1; at = bytes.indexOf(head, at + 1), keys++)
    bytes.fill(0, at, at + head.length);
  expect(keys).toBeGreaterThan(0);
  writeFileSync(file, bytes);
}

const ask = (page: Page) => page.evaluate("fetch('/api').then((answer) => answer.text())");

describe.skipIf(isChromiumMissing())("device-bound sessions in Chromium", () => {
  test("a sign-in is bound, and the key is proved before a request that needs it", async () => {
    const site = await serve();
    const context = await start();
    const page = await signIn(context, site);
    await page.goto(`${site.url}/bound`);
    expect(await heading(page)).toBe("bound");
    const [device] = await site.psession.devices("ada");
    expect(device?.level).toBe("device-bound");
    await page.goto(`${site.url}/expire`);
    await page.goto(`${site.url}/`);
    expect(await heading(page)).toBe("ada, device-bound");
    await page.goto(`${site.url}/expire`);
    expect(await ask(page)).toBe('{"userId":"ada","level":"device-bound"}');
    expect(site.refreshes()).toBe(2);
    // The first was challenged, the second had its challenge already.
    const statuses = site.seen.flatMap(({ path, status }) => (path.endsWith("/refresh") ? [status] : []));
    expect(statuses).toEqual([403, 200, 200]);
  });

  test("ahead of its end the cookie is refreshed while requests go on with the old value", async () => {
    const site = await serve({ maxAge: 100 });
    const context = await start();
    const page = await signIn(context, site);
    const before = site.seen.length;
    await page.goto(`${site.url}/`);
    expect(await heading(page)).toBe("ada, device-bound");
    await expect.poll(site.refreshes, { timeout: 20_000 }).toBeGreaterThan(0);
    const since = site.seen.slice(before);
    expect(since.find(({ path }) => path === "/")?.hasProof).toBe(true);
  });

  test("a remembered browser that was closed proves its key before its first page", async () => {
    const site = await serve();
    const profile = temporaryFolder();
    const context = await start(profile);
    await signIn(context, site, "?remember");
    await context.close();
    site.clock.advance(3 * 24 * 60 * MINUTE);
    const again = await start(profile);
    // As its own clock would have let it go.
    await again.clearCookies({ name: COOKIE });
    const next = await again.newPage();
    await next.goto(`${site.url}/`);
    expect(await heading(next)).toBe("ada, remembered");
    expect(site.refreshes()).toBe(1);
    expect(await site.psession.devices("ada")).toHaveLength(1);
  });

  test("a proof that counts no more, though the browser keeps its cookie, is asked for anew", async () => {
    const site = await serve();
    const context = await start();
    const page = await signIn(context, site);
    for (const open of [() => page.goto(`${site.url}/`), () => page.evaluate("location.href = '/'")]) {
      site.clock.advance(11 * MINUTE);
      await open();
      await page.getByText("ada, device-bound").waitFor();
    }
    site.clock.advance(11 * MINUTE);
    expect(await ask(page)).toContain("key_proof_required");
    expect(await ask(page)).toBe('{"userId":"ada","level":"device-bound"}');
    expect(site.refreshes()).toBe(3);
  });

  test("a thief with all cookies is out when their proof ends, and the owner stays", async () => {
    const site = await serve();
    const owner = await start();
    const page = await signIn(owner, site, "?remember");
    const thief = await start();
    await thief.addCookies(await owner.cookies());
    const stolen = await thief.newPage();
    await stolen.goto(`${site.url}/`);
    expect(await heading(stolen)).toBe("ada, device-bound");
    site.clock.advance(10 * MINUTE);
    await stolen.goto(`${site.url}/`);
    await stolen.getByText("nobody, anonymous").waitFor();
    expect(await ask(stolen)).toContain("key_proof_required");
    await page.goto(`${site.url}/expire`);
    await page.goto(`${site.url}/`);
    expect(await heading(page)).toBe("ada, device-bound");
  });

  test("a profile that was copied is out when its proof ends, as its key stays behind, and the owner stays", async () => {
    const site = await serve();
    const profile = temporaryFolder();
    const owner = await start(profile);
    await signIn(owner, site, "?remember");
    await owner.close();
    const copy = temporaryFolder();
    cpSync(profile, copy, { recursive: true });
    leaveKeyBehind(copy);
    const thief = await start(copy);
    const stolen = await thief.newPage();
    await stolen.goto(`${site.url}/`);
    expect(await heading(stolen)).toBe("ada, remembered");
    site.clock.advance(10 * MINUTE);
    await stolen.goto(`${site.url}/`);
    await stolen.getByText("nobody, anonymous").waitFor();
    expect(site.refreshes()).toBe(0);
    const again = await start(profile);
    const page = await again.newPage();
    await page.goto(`${site.url}/`);
    await page.getByText("ada, remembered").waitFor();
    expect(await site.psession.devices("ada")).toHaveLength(1);
  });

  test("after a sign-out the browser is told that its session is over, and refreshes no more", async () => {
    const site = await serve();
    const context = await start();
    const page = await signIn(context, site, "?remember");
    await page.goto(`${site.url}/logout`);
    for (let round = 0; round < 3; round++) {
      await page.goto(`${site.url}/`);
      expect(await heading(page)).toBe("nobody, anonymous");
    }
    const asked = site.seen.filter(({ path }) => path.endsWith("/refresh"));
    expect(asked.length).toBeLessThanOrEqual(1);
    // Another sign-in is bound again.
    await signIn(context, site);
    await page.goto(`${site.url}/bound`);
    expect(await heading(page)).toBe("bound");
  });

  test("a device that was ended elsewhere is signed out, and so is its key", async () => {
    const site = await serve();
    const context = await start();
    const page = await signIn(context, site, "?remember");
    await site.psession.revokeUser("ada");
    await page.goto(`${site.url}/expire`);
    await page.goto(`${site.url}/`);
    expect(await heading(page)).toBe("nobody, anonymous");
  });

  test("a server that is down during a refresh signs nobody out", async () => {
    let isDown = false;
    const store = memoryStore();
    const { findSession } = store;
    store.findSession = async (id) => {
      if (isDown) throw Object.assign(new Error("down"), { code: "store_unavailable" });
      return findSession.call(store, id);
    };
    const site = await serve({ store });
    const context = await start();
    const page = await signIn(context, site, "?remember");
    await page.goto(`${site.url}/expire`);
    isDown = true;
    await page.goto(`${site.url}/`);
    isDown = false;
    await expect
      .poll(
        async () => {
          await page.goto(`${site.url}/`);
          return heading(page);
        },
        { timeout: 60_000, interval: 1000 },
      )
      .toBe("ada, device-bound");
    expect(await site.psession.devices("ada")).toHaveLength(1);
  });

  test("two servers on one database bind, refresh and serve the same session", async () => {
    const file = join(temporaryFolder(), "sessions.db");
    const sites = [
      await serve({ store: sqliteStore({ path: file }) }),
      await serve({ store: sqliteStore({ path: file }) }),
    ];
    const [first, second] = sites as [Served, Served];
    const turn = { count: 0 };
    const server = createServer(TLS, (request, response) => {
      turn.count++;
      const { port } = new URL((turn.count % 2 === 0 ? first : second).url);
      forward(Number(port), request, response);
    });
    await listening(server as never);
    onTestFinished(() => closed(server as never));
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    const context = await start();
    const page = await signIn(context, { ...first, url });
    second.clock.advance(2 * MINUTE);
    for (let round = 0; round < 3; round++) {
      await page.goto(`${url}/expire`);
      await page.goto(`${url}/`);
      expect(await heading(page)).toBe("ada, device-bound");
    }
    expect(first.refreshes() + second.refreshes()).toBe(3);
  });

  test("ten tabs at the end of the cookie are all served", async () => {
    const site = await serve();
    const context = await start();
    const page = await signIn(context, site);
    await page.goto(`${site.url}/expire`);
    const tabs = await Promise.all(Array.from({ length: 10 }, () => context.newPage()));
    await Promise.all(tabs.map((tab) => tab.goto(`${site.url}/`)));
    expect(await Promise.all(tabs.map(heading))).toEqual(tabs.map(() => "ada, device-bound"));
  });

  test("a page for which the key is to be proved now has it proved on the way, a form as well", async () => {
    const site = await serve();
    const context = await start();
    const page = await signIn(context, site);
    await page.goto(`${site.url}/now`);
    expect(await heading(page)).toBe("proved now");
    expect(site.refreshes()).toBe(1);
    site.clock.advance(2 * MINUTE);
    await page.goto(`${site.url}/pay`);
    await page.getByRole("button", { name: "Pay" }).click();
    await page.getByText("paid 7").waitFor();
    expect(site.refreshes()).toBe(2);
  });

  test("a link on another site leads to the signed-in page though the proof has run out", async () => {
    const site = await serve();
    const context = await start();
    const page = await signIn(context, site);
    await page.goto(`${site.url}/expire`);
    const other = createServer(TLS, (_request, response) => {
      response.setHeader("content-type", "text/html");
      response.end(`<a href="${site.url}/">there</a>`);
    });
    await listening(other as never);
    onTestFinished(() => closed(other as never));
    await page.goto(`https://127.0.0.1:${(other.address() as AddressInfo).port}/`);
    await page.getByRole("link").click();
    await page.getByText("ada, device-bound").waitFor();
  });
});

describe.skipIf(isChromiumMissing())(
  "a link on another site, in Chromium, after the proof has run out",
  () => {
    /** A page of another site with this in it. */
    async function elsewhere(html: string): Promise<string> {
      const other = createServer(TLS, (_request, response) => {
        response.setHeader("content-type", "text/html");
        response.end(html);
      });
      await listening(other as never);
      onTestFinished(() => closed(other as never));
      return `https://127.0.0.1:${(other.address() as AddressInfo).port}/`;
    }

    test("leads to its place within the page", async () => {
      const site = await serve();
      const context = await start();
      const page = await signIn(context, site);
      site.clock.advance(11 * MINUTE);
      await page.goto(await elsewhere(`<a href="${site.url}/?a=b#part">there</a>`));
      await page.getByRole("link").click();
      await page.getByText("ada, device-bound").waitFor();
      expect(page.url()).toBe(`${site.url}/?a=b#part`);
    });

    test("leads there without scripts, which the site's policy may forbid", async () => {
      const site = await serve();
      const context = await start(temporaryFolder(), false);
      const page = await signIn(context, site);
      site.clock.advance(11 * MINUTE);
      await page.goto(await elsewhere(`<a href="${site.url}/?a=b">there</a>`));
      await page.getByRole("link").click();
      await page.getByText("ada, device-bound").waitFor();
      expect(page.url()).toBe(`${site.url}/?a=b`);
    });

    test("opens a text, and nothing again and again, in a window that has no origin", async () => {
      const site = await serve();
      const context = await start();
      const page = await signIn(context, site);
      site.clock.advance(11 * MINUTE);
      const link = `<a target='_blank' href='${site.url}/'>there</a>`;
      await page.goto(
        await elsewhere(`<iframe sandbox="allow-scripts allow-popups" srcdoc="${link}"></iframe>`),
      );
      const before = site.seen.length;
      const opening = context.waitForEvent("page");
      await page.frameLocator("iframe").getByRole("link").click();
      await (await opening).getByText("a window of its own").waitFor();
      expect(site.seen.slice(before).filter(({ path }) => path === "/")).toHaveLength(1);
    });
  },
);

describeWith(NGINX_BINARY, "device-bound sessions behind nginx", () => {
  test.skipIf(isChromiumMissing())(
    "a first visit is bound, at the origin that the browser sees",
    async () => {
      const site = await serve({ trustsProxy: true });
      const port = await freePort();
      const http = (folder: string) => `server {
      listen 127.0.0.1:${port} ssl;
      ssl_certificate ${folder}/cert.pem;
      ssl_certificate_key ${folder}/key.pem;
      location / {
        proxy_pass http://127.0.0.1:${new URL(site.url).port};
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto https;
        proxy_set_header X-Forwarded-For $remote_addr;
      }
    }`;
      await startNginx({ http, port, files: { "cert.pem": TLS.cert, "key.pem": TLS.key } });
      const url = `https://localhost:${port}`;
      const context = await start();
      const page = await signIn(context, { ...site, url });
      await page.goto(`${url}/expire`);
      await page.goto(`${url}/`);
      expect(await heading(page)).toBe("ada, device-bound");
      expect(site.refreshes()).toBe(1);
    },
  );
});

function forward(
  port: number,
  request: import("node:http").IncomingMessage,
  response: import("node:http").ServerResponse,
): void {
  const { method = "GET", url: path = "/", headers } = request;
  const onward = secureRequest(
    { port, host: "localhost", method, path, headers, rejectUnauthorized: false },
    (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on("error", () => response.destroy());
  request.pipe(onward);
}
