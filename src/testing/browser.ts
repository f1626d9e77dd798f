import { parseSetCookie } from "cookie";
import { assertOptions, isThenable } from "../checks/given.ts";
import { hasMethods } from "../checks/shape.ts";
import { PsessionError } from "../errors.ts";
import { type Clock, systemClock } from "../protocol/clock.ts";

/** What a response has, by whatever client: `Headers`, or an object of names in lower case. */
export interface TestResponse {
  readonly headers: object;
}

/** Options of a test's browser. */
export interface TestBrowserOptions {
  /** By which cookies run out. Default: the system's. */
  clock?: Clock;
}

interface Kept {
  readonly value: string;
  /** Epoch milliseconds; undefined where the cookie goes when the browser closes. */
  readonly expiresAt: number | undefined;
}

/** A browser as far as cookies go. Hosts, paths and schemes make no difference: it is for one application. */
export class TestBrowser {
  readonly #clock: Clock;
  readonly #jar = new Map<string, Kept>();

  /** @internal */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What to send as `Cookie`; empty where there are none. */
  get cookie(): string {
    this.#dropExpired();
    return [...this.#jar].map(([name, { value }]) => `${name}=${value}`).join("; ");
  }

  /** Keeps the cookies that a response sets, and gives the response back. */
  receive<R extends TestResponse>(response: R): R {
    const now = this.#clock.now();
    for (const line of setCookieOf(response)) {
      // As they are: decoded, they would not be sent back as they came.
      const { name, value = "", maxAge, expires } = parseSetCookie(line, { decode: (text) => text });
      const expiresAt = maxAge === undefined ? expires?.getTime() : now + maxAge * 1000;
      this.#jar.set(name, { value, expiresAt });
    }
    this.#dropExpired();
    return response;
  }

  /** Closes the browser and opens it again: cookies without an expiry are gone. */
  restart(): void {
    for (const [name, { expiresAt }] of this.#jar) if (expiresAt === undefined) this.#jar.delete(name);
  }

  #dropExpired(): void {
    const now = this.#clock.now();
    for (const [name, { expiresAt }] of this.#jar)
      if (expiresAt !== undefined && expiresAt <= now) this.#jar.delete(name);
  }
}

/** A browser without cookies, for tests that begin at the sign-in form. */
export function testBrowser(options: TestBrowserOptions = {}): TestBrowser {
  assertOptions("testBrowser", options, ["clock"]);
  const { clock = systemClock } = options;
  if (hasMethods(clock, ["now"])) return new TestBrowser(clock);
  throw new PsessionError("invalid_options", "testBrowser: clock must be an object with now().");
}

function setCookieOf(response: TestResponse): readonly string[] {
  const headers: unknown = (response as TestResponse | null | undefined)?.headers;
  if (isThenable(response) || typeof headers !== "object" || headers === null) {
    throw new PsessionError(
      "invalid_options",
      "receive: response must be a response that has come (await it first), with its headers.",
    );
  }
  if (hasMethods(headers, ["getSetCookie"])) return (headers as Headers).getSetCookie();
  const { "set-cookie": lines = [] } = headers as { readonly "set-cookie"?: string | readonly string[] };
  return typeof lines === "string" ? [lines] : lines;
}
