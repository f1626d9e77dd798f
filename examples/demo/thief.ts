import { parseCookie, parseSetCookie, stringifyCookie } from "cookie";

/** Names of psession's cookies on plain http. Over https they carry the prefix __Host-. */
export const SESSION_COOKIE = "psession";
export const REMEMBER_COOKIE = "psession-remember";

export interface ThiefVisit {
  readonly email: string | null;
  readonly level: string;
}

const USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PATIENCE_MS = 5000;

/** Somebody else's browser: all that it has of the visitor is a copy of the cookies. */
export class Thief {
  readonly #jar = new Map<string, string>();

  /** Takes psession's cookies out of a Cookie header, in place of what it took before. */
  copy(header: string | undefined): void {
    const cookies = parseCookie(header ?? "");
    this.#jar.clear();
    for (const name of [SESSION_COOKIE, REMEMBER_COOKIE]) {
      const value = cookies[name];
      if (value !== undefined) this.#jar.set(name, value);
    }
  }

  /** Browsers drop cookies without a lifetime when they close. */
  closeBrowser(): void {
    this.#jar.delete(SESSION_COOKIE);
  }

  get loot(): readonly string[] {
    return [...this.#jar.keys()];
  }

  /** A real request to this server; loopback only, as the port is the only thing that is not fixed. */
  async visit(port: number): Promise<ThiefVisit> {
    const response = await fetch(`http://127.0.0.1:${port}/me`, {
      headers: { cookie: stringifyCookie(Object.fromEntries(this.#jar)), "user-agent": USER_AGENT },
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    for (const line of response.headers.getSetCookie()) this.#receive(line);
    if (!response.ok) throw new Error(`The thief's visit was answered with ${response.status}.`);
    return (await response.json()) as ThiefVisit;
  }

  #receive(line: string): void {
    const { name, value = "", maxAge } = parseSetCookie(line);
    if (maxAge !== undefined && maxAge <= 0) this.#jar.delete(name);
    else this.#jar.set(name, value);
  }
}
