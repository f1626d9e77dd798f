import { parseSetCookie, stringifyCookie } from "cookie";
import type { Level, UserId } from "psession";
import { type Jar, REMEMBER_COOKIE, readJar, SESSION_COOKIE } from "./cookie-jar.ts";

export interface ThiefVisit {
  readonly userId: UserId | null;
  readonly email: string | null;
  readonly level: Level;
}

const USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PATIENCE_MS = 5000;

/** Another person's browser, which has only a copy of the visitor's cookies. */
export class Thief {
  #jar = new Map<string, string>();

  /** Copies psession's cookies from a Cookie header, and replaces those that it copied before. */
  copy(header: string | undefined): void {
    this.#jar = readJar(header);
  }

  /** Browsers drop cookies without a lifetime when they close. */
  closeBrowser(): void {
    this.#jar.delete(SESSION_COOKIE);
  }

  get jar(): Jar {
    return this.#jar;
  }

  /** A real request to this server; loopback only, as the port is the only thing that is not fixed. */
  async visit(port: number): Promise<ThiefVisit> {
    const response = await fetch(`http://127.0.0.1:${port}/me`, {
      headers: {
        accept: "application/json",
        cookie: stringifyCookie(Object.fromEntries(this.#jar)),
        "user-agent": USER_AGENT,
      },
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    for (const line of response.headers.getSetCookie()) this.#receive(line);
    if (!response.ok) throw new Error(`The thief's visit was answered with ${response.status}.`);
    return (await response.json()) as ThiefVisit;
  }

  #receive(line: string): void {
    const { name, value = "", maxAge } = parseSetCookie(line);
    if (name !== SESSION_COOKIE && name !== REMEMBER_COOKIE) return;
    if (maxAge !== undefined && maxAge <= 0) this.#jar.delete(name);
    else this.#jar.set(name, value);
  }
}
