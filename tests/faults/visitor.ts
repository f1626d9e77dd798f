import type { Level, Outcome } from "../../src/index.ts";
import { type Answer, HttpClient } from "../support/http.ts";

/** What the application of these tests answers. */
export interface Page {
  readonly userId: number | null;
  readonly level: Level;
  readonly outcome: Outcome;
  readonly keys: readonly string[];
  readonly count: number;
}

export interface Tally {
  requests: number;
  /** Answers of status 503. */
  refused: number;
  unanswered: number;
  /** Pages for nobody, by the policy for outages. */
  anonymous: number;
  /**
   * Refusals that brought cookies: the handler failed, and what the request had begun was stored all the same when
   * its answer was settled. None of them may take a cookie away.
   */
  withCookies: number;
  readonly losses: string[];
}

/** A browser whose user signs in, and keeps account of everything that was confirmed to it. */
export class Visitor extends HttpClient {
  readonly user: number;
  readonly #tally: Tally;
  /** Keys whose writes were confirmed. */
  #acknowledged = new Set<string>();
  /** Increments that were confirmed, and that were sent: what is counted lies between the two. */
  #counted = 0;
  #sent = 0;
  #writes = 0;
  readonly #story: string[] = [];
  /** A sign-in or sign-out was not confirmed: it may have happened or not, and the user does it again. */
  isUnsure = false;

  constructor(base: string, user: number, tally: Tally) {
    super(base);
    this.user = user;
    this.#tally = tally;
  }

  /** Undefined where the answer was a 503, or none. */
  async login(): Promise<Page | undefined> {
    this.isUnsure = true;
    const page = await this.#page(`/login?user=${this.user}`);
    if (page === undefined) return undefined;
    this.isUnsure = false;
    if (page.userId !== this.user) this.#lose(`signed in and is ${page.userId}`);
    this.#acknowledged = new Set(page.keys);
    this.#counted = page.count;
    this.#sent = page.count;
    return page;
  }

  /** The next visitor at this browser is nobody, whatever came of it. */
  async logout(): Promise<Page | undefined> {
    this.isUnsure = true;
    return this.#page("/logout");
  }

  read(): Promise<Page | undefined> {
    return this.#visit("/visit");
  }

  async write(): Promise<Page | undefined> {
    const key = `key${this.#writes++}`;
    const page = await this.#visit(`/write?key=${key}`);
    if (page !== undefined) this.#acknowledged.add(key);
    return page;
  }

  async increment(): Promise<Page | undefined> {
    this.#sent++;
    const page = await this.#visit("/count");
    if (page !== undefined) this.#counted++;
    return page;
  }

  async #visit(path: string): Promise<Page | undefined> {
    const known = [...this.#acknowledged];
    const counted = this.#counted;
    const page = await this.#page(path);
    if (page === undefined) return undefined;
    if (page.userId !== this.user) this.#lose(`is ${page.userId ?? "nobody"} (${page.outcome})`);
    const missing = known.filter((key) => !page.keys.includes(key));
    if (missing.length > 0) this.#lose(`lost ${missing.join(", ")}`);
    if (page.count < counted) this.#lose(`counts ${page.count} of ${counted} confirmed increments`);
    if (page.count > this.#sent) this.#lose(`counts ${page.count} of ${this.#sent} increments`);
    return page;
  }

  async #page(path: string): Promise<Page | undefined> {
    const tally = this.#tally;
    tally.requests++;
    const before = new Map(this.jar);
    let answer: Answer;
    try {
      answer = await this.get(path);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      tally.unanswered++;
      this.#story.push(`${path}: no answer`);
      return undefined;
    }
    const { status, setCookie } = answer;
    if (status === 200) {
      const page: Page = answer.json;
      this.#story.push(`${path}: ${page.outcome}`);
      if (page.outcome !== "unavailable") return page;
      tally.anonymous++;
      if (page.userId !== null) this.#lose("is somebody while the store is down");
    } else if (status === 503) {
      tally.refused++;
      this.#story.push(`${path}: 503`);
      if (answer.headers.get("cache-control") !== "no-store") this.#lose("got a 503 that may be cached");
    } else {
      this.#lose(`got status ${status}`);
    }
    if (setCookie.length > 0) tally.withCookies++;
    if ([...before.keys()].some((name) => !this.jar.has(name))) this.#lose("lost a cookie to a fault");
    return undefined;
  }

  #lose(what: string): void {
    this.#tally.losses.push([`user ${this.user} ${what}, after:`, ...this.#story.slice(-12)].join("\n  "));
  }
}
