import { randomUUID } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";
import { expect, onTestFinished } from "vitest";
import { attributeOf } from "../support/html.ts";
import { type Answer, closed, HttpClient, listening } from "../support/http.ts";
import { ROOT } from "../support/shop.ts";

export const FOLDER = join(ROOT, "examples/openid");
export const PASSWORD = "only for trying it out";
export const CLIENT = { id: "shop", secret: "the secret of the shop, at least 32 bytes" };
const LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout";
const page = { accept: "text/html" };

/** Makes fake RSA keys once: they take long. */
const keys = generateKeyPair("RS256", { extractable: true });

// biome-ignore lint/suspicious/noExplicitAny: the examples are JavaScript.
export const example = (file: string): Promise<any> => import(pathToFileURL(join(FOLDER, file)).href);

interface Mail {
  readonly to: string | null;
  readonly text: string;
}

interface Setup {
  readonly responseMode?: "query" | "form_post";
  /** The name under which browsers reach the application. */
  readonly host?: "127.0.0.1" | "localhost";
  /** How far the application's clock is ahead of the provider's, which is the real one. */
  readonly ahead?: number;
  /** Makes another provider for the application, given the origin of the application. */
  readonly provider?: (origin: string) => unknown;
}

/** The example, and the provider that it signs in with: real requests between the three, each on a port of its own. */
export async function openShop({
  responseMode = "query",
  host = "127.0.0.1",
  ahead = 0,
  provider: make,
}: Setup = {}) {
  const clock = { ahead, now: () => Date.now() + clock.ahead };
  const site = await serving();
  const there = await serving();
  const origin = `http://${host}:${site.port}`;
  const issuer = `http://127.0.0.1:${there.port}`;
  const { privateKey } = await keys;
  const { createProvider } = await example("provider.js");
  const { listener } = await createProvider({
    issuer,
    origin,
    client: { client_id: CLIENT.id, client_secret: CLIENT.secret },
    accounts: {
      ada: { email: "Ada@example.com", email_verified: true },
      bob: { email: "bob@example.com", email_verified: true },
      eve: { email: "shop@example.com", email_verified: false },
    },
    key: await exportJWK(privateKey),
  });
  there.listener = listener;
  const { OpenidProvider } = await example("openid.js");
  const options = { issuer, clientId: CLIENT.id, clientSecret: CLIENT.secret, origin };
  const provider = make?.(origin) ?? new OpenidProvider({ ...options, responseMode, plainHttp: true });
  const mails: Mail[] = [];
  const database = new DatabaseSync(":memory:");
  const { createApp } = await example("app.js");
  const { app, psession, users } = createApp({
    database,
    keys: ["k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0"],
    provider,
    notify: ({ email }: { email: string | null }, text: string) => void mails.push({ to: email, text }),
    clock,
    plainHttp: true,
  });
  site.listener = app;
  onTestFinished(async () => {
    await psession.close();
    database.close();
  });
  return {
    ...{ clock, origin, issuer, database, psession, users, mails, there },
    person: () => new Person(origin, issuer),
    /** A logout token as the provider makes them; `change` makes a wrong one of it. */
    logoutToken: (
      claims: object,
      { header = {}, key = privateKey }: { header?: object; key?: CryptoKey | Uint8Array } = {},
    ) => {
      const now = Math.floor(Date.now() / 1000);
      const usual = { iss: issuer, aud: CLIENT.id, iat: now, exp: now + 120, jti: randomUUID() };
      return new SignJWT({ ...usual, events: { [LOGOUT_EVENT]: {} }, ...claims })
        .setProtectedHeader({ alg: "RS256", typ: "logout+jwt", ...header })
        .sign(key);
    },
    /** What the provider's server posts, and the status of the answer. */
    logOut: async (token: string): Promise<number> => {
      const body = new URLSearchParams({ logout_token: token });
      return (await fetch(`${origin}/openid/backchannel-logout`, { method: "POST", body })).status;
    },
    sidOf: (userId: number): string =>
      String(
        database.prepare("SELECT sid FROM provider_sessions WHERE user_id = ?").get(userId)?.["sid"] ?? "",
      ),
  };
}

export type Shop = Awaited<ReturnType<typeof openShop>>;

/** A server whose address is known before there is something to serve; without that, it drops its connections. */
export async function serving(): Promise<{
  port: number;
  listener: RequestListener | undefined;
  server: Server;
}> {
  const server = createServer((request, response) => {
    if (served.listener === undefined) request.socket.destroy();
    else served.listener(request, response);
  });
  await listening(server);
  onTestFinished(() => closed(server));
  const { port } = server.address() as AddressInfo;
  const served: Awaited<ReturnType<typeof serving>> = { port, server, listener: undefined };
  return served;
}

/** What somebody does at the provider, if it asks. */
interface There {
  readonly account?: string;
  readonly code?: boolean;
  readonly cancel?: boolean;
  /** Changes the address that the browser is sent to, as anybody at the browser can. */
  readonly change?: (query: URLSearchParams) => void;
}

/** With what the browser comes back: a path to open, or a form that the provider's page posts. */
interface Return {
  readonly path: string;
  readonly form: Record<string, string> | undefined;
  /** Whether the provider asked anything. */
  readonly wasAsked: boolean;
}

/** Somebody with a browser, which keeps the cookies of both sites. */
export class Person {
  readonly here: HttpClient;
  readonly #there: HttpClient;

  constructor(origin: string, issuer: string) {
    this.here = new HttpClient(origin);
    this.#there = new HttpClient(issuer);
  }

  get(path: string): Promise<Answer> {
    return this.here.get(path, page);
  }

  post(path: string, fields: Record<string, string> = {}): Promise<Answer> {
    return this.here.request(path, { method: "POST", headers: page, body: new URLSearchParams(fields) });
  }

  /** Posts a form that leads to the provider; gives the address there. */
  async leave(path: string, fields: Record<string, string> = {}): Promise<string> {
    const { status, headers } = await this.post(path, fields);
    const location = headers.get("location") ?? "";
    expect([status, location.startsWith(this.#there.base)]).toEqual([303, true]);
    return location;
  }

  /** What the provider makes of it. */
  async visit(
    address: string,
    { account = "ada", code = false, cancel = false, change }: There = {},
  ): Promise<Return> {
    let url = new URL(address);
    change?.(url.searchParams);
    let wasAsked = false;
    while (url.origin === this.#there.base) {
      const path = url.pathname + url.search;
      let answer = await this.#there.get(path);
      const send = async (to: string, fields: Record<string, string>) => {
        const body = new URLSearchParams(fields);
        answer = await this.#there.request(to, { method: "POST", body });
      };
      if (answer.text.includes("<select")) {
        wasAsked = true;
        await send(path, { account, ...(code ? { code: "on" } : {}), ...(cancel ? { cancel: "" } : {}) });
      }
      // A change of accounts is a sign-out first, by a form of the provider's own.
      const action = new URL(/<form method="post" action="([^"]*)"/.exec(answer.text)?.[1] ?? "", url);
      if (action.pathname === "/session/end/confirm") await send(action.pathname, formIn(answer.text));
      const location = answer.headers.get("location");
      if (location === null) return { path: "/openid/callback", form: formIn(answer.text), wasAsked };
      url = new URL(location, url);
    }
    return { path: url.pathname + url.search, form: undefined, wasAsked };
  }

  /** The browser comes back: the last answer of the application. */
  async comeBack({ path, form }: Return): Promise<Answer> {
    if (form === undefined) return this.get(path);
    const hop = await this.here.request(path, {
      method: "POST",
      jar: new Map(),
      body: new URLSearchParams(form),
    });
    expect([hop.status, hop.setCookie]).toEqual([200, []]);
    return this.post("/openid/posted", formIn(hop.text));
  }

  /** A whole trip. */
  async travel(path: string, fields: Record<string, string> = {}, there: There = {}): Promise<Answer> {
    return this.comeBack(await this.visit(await this.leave(path, fields), there));
  }

  async signIn(fields: Record<string, string> = {}, there: There = {}): Promise<Answer> {
    const answer = await this.travel("/openid/sign-in", fields, there);
    expect(answer.status).toBe(303);
    return answer;
  }

  async signInByPassword(email = "shop@example.com", fields: Record<string, string> = {}): Promise<void> {
    expect((await this.post("/login", { email, password: PASSWORD, ...fields })).status).toBe(303);
  }

  /** Signs out at the provider, which asks whether to. */
  async signOutThere(address = `${this.#there.base}/session/end`): Promise<string | null> {
    const url = new URL(address);
    const asked = await this.#there.get(url.pathname + url.search);
    const body = new URLSearchParams({ ...formIn(asked.text), logout: "yes" });
    return (await this.#there.request("/session/end/confirm", { method: "POST", body })).headers.get(
      "location",
    );
  }

  /** The user that the application shows, with the level; "nobody" for a visitor. */
  async isWho(): Promise<string> {
    const { text } = await this.get("/");
    return /Signed in as user (\d+, \w+)/.exec(text)?.[1] ?? "nobody";
  }

  async cart(): Promise<string[]> {
    return Array.from((await this.get("/")).text.matchAll(/<li>([^<]*)/g), ([, item = ""]) => item);
  }

  restart(): void {
    this.here.restart();
  }

  /** The browser loses the provider's cookies: the session there is not ended. */
  forgetProvider(): void {
    this.#there.jar.clear();
  }
}

/** The fields of a page's form. */
function formIn(text: string): Record<string, string> {
  const inputs = Array.from(text.matchAll(/<input[^>]*>/g), ([tag]) => tag.replace("/>", ">"));
  return Object.fromEntries(
    inputs.map((tag) => [attributeOf(tag, "name") ?? "", attributeOf(tag, "value") ?? ""]),
  );
}

/** Where a redirect leads. */
export const leadsTo = ({ status, headers }: Answer) => [status, headers.get("location")];

/** What the page says of a problem. */
export const problemIn = ({ status, text }: Answer) => [status, /<p>([^<\n]*)/.exec(text)?.[1]];
