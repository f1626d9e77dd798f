import { Child } from "./child.ts";
import { type Contender, idOf } from "./contenders/index.ts";
import { HEADERS } from "./load.ts";
import type { Question } from "./server.ts";
import type { Place } from "./stores.ts";
import { DATA, PATHS, type Scenario, VISITS } from "./workload.ts";

/** A contender that runs. */
export class Running {
  readonly contender: Contender;
  readonly place: Place;
  readonly port: number;
  readonly #child: Child;

  private constructor(contender: Contender, place: Place, child: Child, port: number) {
    this.contender = contender;
    this.place = place;
    this.port = port;
    this.#child = child;
  }

  static async start(
    contender: Contender,
    place: Place,
    options: { counts?: boolean } = {},
  ): Promise<Running> {
    const values = [idOf(contender), JSON.stringify(place), ...(options.counts === true ? ["count"] : [])];
    const child = new Child("./server.ts", values);
    return new Running(contender, place, child, (await child.next()) as number);
  }

  async ask(question: Question & { ask: "remembered" }): Promise<string[]>;
  async ask(question: Question): Promise<number>;
  async ask(question: Question): Promise<unknown> {
    this.#child.send(question);
    return this.#child.next();
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }

  /** Signs that many users in; returns the cookies that their browsers send from then on. */
  async signIn(count: number): Promise<string[]> {
    const cookies: string[] = [];
    while (cookies.length < count) {
      const together = Math.min(16, count - cookies.length);
      const answers = await Promise.all(Array.from({ length: together }, () => this.visit("login")));
      cookies.push(...answers.map(({ cookie }) => cookie));
    }
    return cookies;
  }

  async visit(scenario: Scenario, cookie = ""): Promise<{ body: Answer; cookie: string }> {
    const { method, path } = VISITS[scenario];
    const { Host: _, ...headers } = HEADERS;
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      // A kept connection may be gone by the next visit: filling a table takes its time.
      headers: { ...headers, connection: "close", ...(cookie === "" ? {} : { cookie }) },
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    const set = response.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
    return { body: (await response.json()) as Answer, cookie: withCookies(cookie, set) };
  }
}

interface Answer {
  readonly user?: string | null;
  readonly cart?: typeof DATA.cart | null;
  readonly count?: number;
}

function withCookies(before: string, set: readonly string[]): string {
  const jar = new Map<string, string>();
  for (const pair of [...before.split("; "), ...set]) {
    if (pair !== "") jar.set(pair.split("=")[0] ?? "", pair);
  }
  return [...jar.values()].join("; ");
}

/** Throws if a contender gives a wrong response: its figures would be meaningless. */
export async function check(running: Running, scenarios: readonly Scenario[]): Promise<void> {
  const expect = (holds: boolean, what: string) => {
    if (!holds) throw new Error(`${what} is not what it should be`);
  };
  const stranger = await running.visit("no-cookie");
  expect(stranger.body.user === null && stranger.body.cart === null, "the page without a cookie");
  if (running.contender.scenarios.includes("login")) {
    const login = await running.visit("login");
    const { user } = login.body;
    expect(typeof user === "string" && login.cookie !== "", "the answer to the sign-in");
    const cart = await running.visit("read", login.cookie);
    const hasCart = JSON.stringify(cart.body.cart) === JSON.stringify(DATA.cart);
    expect(cart.body.user === user && hasCart, "the page of the signed-in user");
    let { cookie } = cart;
    for (const count of [1, 2]) {
      const counted = await running.visit("write", cookie);
      expect(counted.body.user === user && counted.body.count === count, `the counter at ${count}`);
      cookie = counted.cookie;
    }
    const after = await running.visit("read", cookie);
    expect(after.body.user === user, "the page after writing");
    expect((await running.visit("untouched", cookie)).body.user === undefined, PATHS.about);
  }
  if (scenarios.includes("restore") && running.contender.scenarios.includes("restore")) {
    const [remember = ""] = await running.ask({ ask: "remembered", count: 1 });
    const back = await running.visit("restore", remember);
    expect(
      typeof back.body.user === "string" && back.body.cart !== null,
      "the page of the browser that came back",
    );
    const jar = back.cookie.split("; ");
    expect(jar.length === 2 && !jar.includes(remember), "the cookies of the browser that came back");
  }
}
