import { getCookie, H3, setCookie, toNodeHandler } from "h3";
import { describe, expect, test } from "vitest";
import type { PassiveRequest, RequestFacts } from "../../src/index.ts";
import {
  type CookieAttributes,
  type GetSession,
  type JarFacts,
  jarSession,
} from "../../src/integrations/fetch/index.ts";
import {
  cookieHeader,
  overHttp,
  REMEMBER,
  receive,
  SESSION,
  type TestApp,
  TestBrowser,
  type TestData,
  testApp,
} from "../support/app.ts";
import { MINUTE } from "../support/clock.ts";
import { HttpClient, serve } from "../support/http.ts";

declare module "h3" {
  interface H3EventContext {
    getSession: GetSession<TestData>;
  }
}

test("a jar's request is what its caller says: when it came, from where, and through whom", async () => {
  const { psession } = testApp();
  const facts: RequestFacts[] = [];
  const begin = psession.exchange.bind(psession);
  psession.exchange = ((found: RequestFacts, make: never) => {
    facts.push(found);
    return begin(found, make);
  }) as typeof psession.exchange;
  const headers = new Headers({ origin: "https://shop.example", "x-forwarded-for": "203.0.113.9" });
  const open = (known: Partial<JarFacts>) =>
    jarSession(psession, { headers }, { secure: true, ...known }).getSession();
  await open({});
  await open({ origin: "https://shop.example", arrivedAt: 7, trustsProxy: true });
  await open({ origin: "https://other.example" });
  const seen = facts.map(({ arrivedAt, crossSite, forwarded }) => ({ arrivedAt, crossSite, forwarded }));
  expect(seen).toEqual([
    { arrivedAt: undefined, crossSite: false, forwarded: true },
    { arrivedAt: 7, crossSite: false, forwarded: false },
    { arrivedAt: undefined, crossSite: true, forwarded: true },
  ]);
});

test("the option session.isPassive judges a jar's request by its headers, method and path", async () => {
  const asked: unknown[] = [];
  const isPassive = ({ method, path, header }: PassiveRequest) => {
    asked.push([method, path]);
    return header("X-Poll") === "yes" || path.startsWith("/poll");
  };
  const app = testApp({ session: { isPassive } });
  const ada = new TestBrowser(app);
  await ada.visit((session) => session.login("ada"));
  const idle = async (known: Partial<JarFacts>, more: Record<string, string> = {}) => {
    app.clock.advance(MINUTE);
    const headers = new Headers({ cookie: cookieHeader(ada.jar) ?? "", ...more });
    const { getSession, commit } = jarSession(app.psession, { headers }, { secure: true, ...known });
    await getSession();
    await commit();
    return (await app.psession.devices("ada"))[0]?.lastSeenAt;
  };
  const start = app.clock.now();
  expect(await idle({ path: "/poll?since=7" })).toBe(start);
  expect(await idle({}, { "x-poll": "yes" })).toBe(start);
  expect(await idle({ method: "POST", path: "/page" })).toBe(app.clock.now());
  expect(asked).toEqual([
    ["GET", "/poll?since=7"],
    ["GET", ""],
    ["POST", "/page"],
  ]);
});

describe("h3's cookies", () => {
  const start = async (define: (routes: H3) => void) => {
    const app = testApp(overHttp);
    const routes = new H3({ silent: true });
    routes.use(async (event, next) => {
      const { getSession, commit } = jarSession(
        app.psession,
        {
          headers: event.req.headers,
          set: (name, value, attributes) => setCookie(event, name, value, attributes),
        },
        {
          secure: event.url.protocol === "https:",
          method: event.req.method,
          address: event.req.ip,
          arrivedAt: app.clock.now(),
        },
      );
      event.context.getSession = getSession;
      const answer = await next();
      await commit(event.res.headers);
      return answer;
    });
    define(routes);
    return { app, client: new HttpClient(await serve(toNodeHandler(routes))) };
  };

  const shop = (routes: H3) => {
    routes.post("/login", async (event) => {
      setCookie(event, "own", "a value");
      await (await event.context.getSession()).login(7, { remember: true });
      return "in";
    });
    routes.post("/logout", async ({ context }) => {
      await (await context.getSession()).logout();
      return new Response(null, { status: 204 });
    });
    routes.get("/me", async (event) => {
      const { userId = null, level } = await event.context.getSession();
      return { userId, level, ours: getCookie(event, "psession") };
    });
    routes.get("/plain", () => "plain");
  };

  test("carry a sign-in, a restore and a logout, beside those of the application", async () => {
    const { client, app } = await start(shop);
    const answer = await client.post("/login");
    expect(answer.setCookie.map((line) => line.split("=")[0])).toEqual([
      "own",
      "psession",
      "psession-remember",
    ]);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const me = await client.get("/me");
    expect(me.json).toMatchObject({ userId: 7, level: "login" });
    expect(me.json.ours, "as it was set, byte for byte").toBe(client.jar.get("psession")?.value);
    client.restart();
    app.clock.advance(3_600_000);
    expect((await client.get("/me")).json).toMatchObject({ userId: 7, level: "remembered" });
    expect((await client.get("/me")).setCookie).toEqual([]);
    expect((await client.post("/logout")).status).toBe(204);
    expect([...client.jar.keys()]).toEqual([]);
  });

  test("are the same lines as without a jar", async () => {
    const { client, app } = await start(shop);
    const { setCookie: lines } = await client.post("/login");
    const visit = await new TestBrowser(app).open({ secure: false });
    await visit.session.login(7, { remember: true });
    const [withoutJar, withJar] = [await visit.answer(), lines.slice(1)].map((all) =>
      all.map((line) => [line.split("=")[0], ...line.split("; ").slice(1).toSorted()]),
    );
    expect(withJar).toEqual(withoutJar);
  });
});

/** Jars as the documentation of frameworks describes them that are too large to be installed here. */
interface TestJar {
  readonly lines: string[];
  set(name: string, value: string, attributes: CookieAttributes): void;
}

const jars: Record<string, () => TestJar> = {
  "SvelteKit's": () => ({
    lines: [],
    set(name, value, attributes) {
      // A path must be given; HttpOnly and Secure are the default.
      if (attributes.path === undefined) throw new Error("You must specify a `path` when setting cookies");
      this.lines.push(lineOf(name, encodeURIComponent(value), { ...attributes }));
    },
  }),
  "Astro's": () => ({
    lines: [],
    set(name, value, attributes) {
      this.lines.push(lineOf(name, encodeURIComponent(value), attributes));
    },
  }),
  "Next's": () => ({
    lines: [],
    set(name, value, attributes) {
      // A lifetime in seconds makes an expiry as well.
      const { maxAge } = attributes;
      const expires = maxAge === undefined ? {} : { expires: new Date(Date.UTC(2030, 0, 1) + maxAge * 1000) };
      this.lines.push(lineOf(name, encodeURIComponent(value), { ...attributes, ...expires }));
    },
  }),
};

function lineOf(name: string, value: string, attributes: CookieAttributes): string {
  const { path, domain, maxAge, expires, httpOnly, secure, sameSite, partitioned } = attributes;
  return [
    `${name}=${value}`,
    `Path=${path}`,
    ...(domain === undefined ? [] : [`Domain=${domain}`]),
    ...(maxAge === undefined ? [] : [`Max-Age=${maxAge}`]),
    ...(expires === undefined ? [] : [`Expires=${expires.toUTCString()}`]),
    ...(httpOnly ? ["HttpOnly"] : []),
    ...(secure ? ["Secure"] : []),
    `SameSite=${sameSite}`,
    ...(partitioned ? ["Partitioned"] : []),
  ].join("; ");
}

class JarBrowser {
  readonly jar = new Map<string, { value: string; isTransient: boolean }>();
  readonly #app: TestApp;

  constructor(app: TestApp) {
    this.#app = app;
  }

  get cookie(): string {
    return [...this.jar].map(([name, { value }]) => `${name}=${value}`).join("; ");
  }

  async visit<R>(
    own: TestJar | undefined,
    handler: (getSession: GetSession<TestData>) => Promise<R>,
    cookie = this.cookie,
  ): Promise<R> {
    const jar = {
      headers: new Headers(cookie === "" ? {} : { cookie }),
      ...(own === undefined ? {} : { set: own.set.bind(own) }),
    };
    const { getSession, commit } = jarSession(this.#app.psession, jar, {
      secure: true,
      arrivedAt: this.#app.clock.now(),
    });
    const result = await handler(getSession);
    await commit();
    for (const line of own?.lines ?? []) receive(this.jar, line);
    return result;
  }
}

const look = async (getSession: GetSession<TestData>) => {
  const { userId, level, outcome } = await getSession();
  return { userId, level, outcome };
};

describe.each(Object.entries(jars))("%s cookies", (_, makeJar) => {
  test("carry a sign-in, a restore and a logout, with values byte for byte", async () => {
    const app = testApp();
    const browser = new JarBrowser(app);
    const signedIn = makeJar();
    await browser.visit(signedIn, async (getSession) => {
      await (await getSession()).login(7, { remember: true });
    });
    const values = [...browser.jar.values()].map(({ value }) => value);
    expect(values).toHaveLength(2);
    for (const value of values) expect(value).toMatch(/^[A-Za-z0-9_.-]+$/);
    for (const line of signedIn.lines)
      expect(line).toMatch(/^__Host-.*; Path=\/;.*HttpOnly; Secure; SameSite=lax$/);
    expect(await browser.visit(makeJar(), look)).toMatchObject({ userId: 7, level: "login" });
    browser.jar.delete(SESSION);
    app.clock.advance(3_600_000);
    expect(await browser.visit(makeJar(), look)).toMatchObject({ userId: 7, outcome: "restored" });
    const left = makeJar();
    await browser.visit(left, async (getSession) => (await getSession()).logout());
    expect(left.lines).toHaveLength(2);
    for (const line of left.lines) expect(line).toContain("; Max-Age=0; ");
    expect(browser.jar.size).toBe(0);
  });
});

describe("a jar", () => {
  test("that cannot set cookies lets a remembered visitor in, and changes nothing that needs one", async () => {
    const app = testApp();
    const browser = new JarBrowser(app);
    const makeJar = jars["Next's"] as () => TestJar;
    await browser.visit(makeJar(), async (getSession) => {
      await (await getSession()).login(7, { remember: true });
    });
    browser.jar.delete(SESSION);
    app.clock.advance(3_600_000);
    expect(await browser.visit(undefined, look)).toMatchObject({ userId: 7, level: "remembered" });
    expect(app.told()).not.toContain("restored");
    const changing = new JarBrowser(app).visit(undefined, async (getSession) => {
      (await getSession()).set("name", "Ada");
    });
    await expect(changing).rejects.toMatchObject({ code: "headers_already_sent" });
  });

  test("whose session is never opened costs nothing", async () => {
    const app = testApp();
    const jar = (jars["Astro's"] as () => TestJar)();
    await new JarBrowser(app).visit(jar, async () => {}, `${SESSION}=anything`);
    expect([jar.lines, app.events]).toEqual([[], []]);
  });

  test("does not hide two cookies of one name, as the header is what counts", async () => {
    const app = testApp();
    const browser = new JarBrowser(app);
    const makeJar = jars["SvelteKit's"] as () => TestJar;
    await browser.visit(makeJar(), async (getSession) => {
      await (await getSession()).login(7, { remember: true });
    });
    const smuggled = `${browser.cookie}; ${SESSION}=smuggled; ${REMEMBER}=smuggled`;
    expect(await browser.visit(makeJar(), look, smuggled)).toMatchObject({ userId: 7, outcome: "live" });
    const twice = `${browser.cookie}; ${browser.cookie}`;
    expect(await browser.visit(makeJar(), look, twice)).toMatchObject({
      userId: undefined,
      outcome: "duplicate",
    });
  });
});
