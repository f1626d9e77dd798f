import type { IncomingMessage, ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { withSession } from "../../src/integrations/node/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { overHttp, type TestApp, type TestData, type TestSession, testApp } from "../support/app.ts";
import { serve } from "../support/http.ts";
import { temporaryFolder } from "../support/temp.ts";

/** A page, and the three requests that it makes by itself. */
export const REQUESTS_OF_A_PAGE = 4;

/** Chromium has six connections to a host, so six tabs can have asked before the first is answered. */
export const REQUESTS_AT_ONCE = 6;

/** One request as the server answered it. */
export interface Answer {
  /** The path of the page that the request was made by or for. */
  readonly page: string;
  /** "document" for the page itself; otherwise "image", "script" or "empty" (a fetch). */
  readonly destination: string;
  /** "nobody" for an anonymous visitor; the status of an answer that is none. */
  readonly user: string;
  readonly data: Partial<TestData>;
}

/** A request whose handler waits until the test lets it go on. */
export interface Held {
  /** Settles when the handler runs: the case was decided, nothing is committed. */
  readonly arrived: Promise<void>;
  release(): void;
}

/**
 * A site whose every page loads an image and a script and fetches, so that each tab sends several requests at
 * once. `/login` signs in, `/add/<item>` adds to the cart, `/plain` has no session at all.
 */
export class Site {
  readonly app: TestApp;
  readonly answers: Answer[] = [];
  url = "";
  readonly #waiting = new Set<() => void>();
  readonly #held = new Map<string, { arrive(): void; released: Promise<void> }>();
  #crowd: { missing: number; complete(): void; completed: Promise<void> } | undefined;
  #pages = 0;

  constructor(app: TestApp) {
    this.app = app;
  }

  /** The path of a page that nobody has asked for yet. */
  newPage(): string {
    this.#pages += 1;
    return `/page/${this.#pages}`;
  }

  /** Whom the requests of a page were answered as: one name, unless they were not all answered alike. */
  userOf(page: string): string {
    return [...new Set(this.answersOf(page).map(({ user }) => user))].join(" and ");
  }

  answersOf(page: string): Answer[] {
    return this.answers.filter((answer) => answer.page === page);
  }

  get latestData(): Partial<TestData> {
    return this.answers.at(-1)?.data ?? {};
  }

  /** Waits for requests, until there were enough of them. */
  async until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** The next request for this page waits, its session open, until it is released. */
  hold(page: string): Held {
    const arrived = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.#held.set(page, { arrive: arrived.resolve, released: released.promise });
    onTestFinished(() => released.resolve());
    return { arrived: arrived.promise, release: released.resolve };
  }

  /** The next `size` pages wait, their sessions open, until the last of them is there. */
  gather(size: number): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#crowd = { missing: size, complete: resolve, completed: promise };
    onTestFinished(() => resolve());
  }

  async handle(request: IncomingMessage, response: ServerResponse, session: TestSession): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://site");
    const page = searchParams.get("of") ?? pathname;
    if (pathname === "/login") await session.login("ada", { remember: true });
    if (pathname.startsWith("/add/")) session.push("cart", pathname.slice("/add/".length));
    if (pathname === page) await this.#whileGathering();
    await this.#whileHeld(pathname, session);
    const user = String(session.userId ?? "nobody");
    const destination = String(request.headers["sec-fetch-dest"]);
    const data = structuredClone(session.data);
    // Saving comes before the answer and may fail, so only its end tells how it was answered.
    response.once("finish", () => {
      const { statusCode } = response;
      this.#record({ page, destination, data, user: statusCode === 200 ? user : String(statusCode) });
    });
    send(response, pathname, user);
  }

  async #whileGathering(): Promise<void> {
    const crowd = this.#crowd;
    if (crowd === undefined) return;
    crowd.missing -= 1;
    if (crowd.missing <= 0) crowd.complete();
    await crowd.completed;
  }

  #record(answer: Answer): void {
    this.answers.push(answer);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** The write comes first: what is to be shown is that it outlives all that happens before the answer. */
  async #whileHeld(pathname: string, session: TestSession): Promise<void> {
    const held = this.#held.get(pathname);
    if (held === undefined) return;
    this.#held.delete(pathname);
    session.set("name", `written by ${pathname}`);
    held.arrive();
    await held.released;
  }
}

/** Serves a site on a database of its own until the test ends. */
export async function startSite(): Promise<Site> {
  const store = sqliteStore({ path: join(temporaryFolder(), "sessions.db") });
  const app = testApp({ ...overHttp, store });
  onTestFinished(() => app.psession.close());
  const site = new Site(app);
  const listener = withSession(app.psession, site.handle.bind(site));
  site.url = await serve((request, response) => {
    if (request.url === "/plain") send(response, request.url, "anybody");
    else void listener(request, response);
  });
  return site;
}

/** Nothing may come from the browser's cache, and no icon be asked for that a test did not expect. */
function send(response: ServerResponse, pathname: string, user: string): void {
  const [type, text] = content(pathname, user);
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Content-Type", `${type}; charset=utf-8`);
  response.end(text);
}

function content(pathname: string, user: string): readonly [type: string, text: string] {
  switch (pathname) {
    case "/image":
      return ["image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`];
    case "/script":
      return ["text/javascript", "document.title += ' (script)';"];
    case "/fetch":
      return ["text/plain", user];
    case "/plain":
      return ["text/html", `<!doctype html><title>Plain</title><link rel="icon" href="data:,">`];
    default:
      return ["text/html", html(pathname)];
  }
}

/** The page says that it is done by `data-fetched`, as the `load` event does not wait for a fetch. */
function html(pathname: string): string {
  return `<!doctype html><title>${pathname}</title><link rel="icon" href="data:,">
<script>
  fetch("/fetch?of=${pathname}").then((answer) => answer.text())
    .then((user) => { document.documentElement.dataset.fetched = user; });
</script>
<img src="/image?of=${pathname}" alt=""><script src="/script?of=${pathname}"></script>`;
}

/** The proxy loses answers to requests for this path. */
export const LOST = "/lost";

/**
 * A TCP proxy between browser and server that loses answers: the server has committed when its first byte
 * comes, and the browser's connection ends without it.
 */
export class LossyProxy {
  url = "";
  /** How many answers are yet to be lost. */
  toLose = 0;
  lost = 0;

  join(browser: Socket, server: Socket): void {
    let isMarked = false;
    browser.on("data", (chunk) => {
      isMarked = chunk.toString("latin1").startsWith(`GET ${LOST} `);
      server.write(chunk);
    });
    server.on("data", (chunk) => {
      if (isMarked && this.toLose > 0) this.#lose(browser);
      else browser.write(chunk);
    });
    endTogether(browser, server);
  }

  #lose(browser: Socket): void {
    this.toLose -= 1;
    this.lost += 1;
    browser.destroy();
  }
}

export async function startLossyProxy(target: string): Promise<LossyProxy> {
  const proxy = new LossyProxy();
  const sockets = new Set<Socket>();
  const server = createServer((browser) => {
    sockets.add(browser);
    browser.on("close", () => sockets.delete(browser));
    proxy.join(browser, connect(Number(new URL(target).port), "127.0.0.1"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

/** Connections that are torn down while something is on its way report errors; that they end is all we need. */
function endTogether(...pair: [Socket, Socket]): void {
  const [one, other] = pair;
  one.on("close", () => other.destroy()).on("error", () => {});
  other.on("close", () => one.destroy()).on("error", () => {});
}
