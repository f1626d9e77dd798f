import { type IncomingMessage, request as overHttp } from "node:http";
import { request as overHttps } from "node:https";
import { text } from "node:stream/consumers";
import { parseSetCookie, stringifyCookie } from "cookie";
import type { Level, UserId } from "psession";
import { type Jar, readJar } from "./cookie-jar.ts";
import { HOST, type Site } from "./site.ts";

export interface ThiefVisit {
  readonly userId: UserId | null;
  readonly email: string | null;
  readonly level: Level;
}

const USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PATIENCE_MS = 5000;

/** Another person's browser, which has only a copy of the visitor's cookies. */
export class Thief {
  readonly #site: Site;
  #jar = new Map<string, string>();

  constructor(site: Site) {
    this.#site = site;
  }

  /** Copies psession's cookies from a Cookie header, and replaces those that it copied before. */
  copy(header: string | undefined): void {
    this.#jar = readJar(header, this.#site.cookies);
  }

  /** Has only what lies about for long, as in a backup of the browser's profile. */
  dropShortCookie(): void {
    this.#jar.delete(this.#site.cookies.bound);
  }

  /** Browsers drop cookies without a lifetime when they close. */
  closeBrowser(): void {
    this.#jar.delete(this.#site.cookies.session);
  }

  get jar(): Jar {
    return this.#jar;
  }

  /** A real request to this server; loopback only, as the port is the only thing that is not fixed. */
  async visit(port: number): Promise<ThiefVisit> {
    const response = await this.#ask(port);
    for (const line of response.headers["set-cookie"] ?? []) this.#receive(line);
    const body = await text(response);
    if (response.statusCode !== 200)
      throw new Error(`The thief's visit was answered with ${response.statusCode}.`);
    return JSON.parse(body) as ThiefVisit;
  }

  /** Not by `fetch`, which cannot be told to trust the demo's certificate. */
  #ask(port: number): Promise<IncomingMessage> {
    const { scheme, certificate } = this.#site;
    const send = scheme === "https" ? overHttps : overHttp;
    return new Promise((resolve, reject) => {
      send({
        host: "127.0.0.1",
        port,
        path: "/me",
        ca: certificate,
        servername: HOST,
        headers: {
          accept: "application/json",
          cookie: stringifyCookie(Object.fromEntries(this.#jar)),
          "user-agent": USER_AGENT,
        },
        agent: false,
        signal: AbortSignal.timeout(PATIENCE_MS),
      })
        .on("response", resolve)
        .on("error", reject)
        .end();
    });
  }

  #receive(line: string): void {
    const { name, value = "", maxAge } = parseSetCookie(line);
    if (!Object.values(this.#site.cookies).includes(name)) return;
    if (maxAge !== undefined && maxAge <= 0) this.#jar.delete(name);
    else this.#jar.set(name, value);
  }
}
