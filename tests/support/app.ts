import {
  createPsession,
  dangerouslyAllowInsecureHttp,
  factsOf,
  memoryStore,
  type Psession,
  type PsessionEvent,
  type PsessionOptions,
  type RequestFacts,
  type Session,
} from "../../src/index.ts";
import { TestClock } from "./clock.ts";

/** The data that sessions of these tests hold. */
export interface TestData {
  cart: string[];
  count: number;
  name: string;
  [key: string]: unknown;
}

export type TestSession = Session<TestData>;

export const KEY = "k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0";
export const OLDER_KEY = "a1B2c3D4e5F6g7H8i9J0kLmNoPqRsTuV";

export interface TestApp {
  readonly psession: Psession<TestData>;
  readonly clock: TestClock;
  readonly events: PsessionEvent[];
  /** The types of the events so far. */
  told(): string[];
}

/** A psession on a memory store and a clock that stands still, unless `options` say otherwise. */
export function testApp(options: Partial<PsessionOptions> = {}): TestApp {
  const clock = (options.clock as TestClock | undefined) ?? new TestClock();
  const psession = createPsession<TestData>({
    store: memoryStore(),
    keys: [KEY],
    clock,
    prune: false,
    ...options,
  });
  const events: PsessionEvent[] = [];
  psession.on("*", (event) => void events.push(event));
  return { psession, clock, events, told: () => events.map(({ type }) => type) };
}

export const overHttp = { [dangerouslyAllowInsecureHttp]: true } as const;

export interface VisitOptions extends Partial<RequestFacts> {
  /** Presents these instead of the jar. */
  readonly jar?: Jar;
  /** The response is lost: the browser gets no cookies. */
  readonly lost?: boolean;
}

type Handler<R> = (session: TestSession) => R | Promise<R>;

/** Name to value, with the memory-only cookies marked. */
export type Jar = Map<string, { readonly value: string; readonly isTransient: boolean }>;

/** A request that was opened and whose response has not begun: its handler is still running. */
export interface OpenVisit {
  readonly session: TestSession;
  /** The response begins: commits, and gives the cookies to the browser. */
  answer(options?: { lost?: boolean }): Promise<readonly string[]>;
}

/** A browser with a cookie jar, talking to the core as an integration does. */
export class TestBrowser {
  jar: Jar = new Map();
  readonly #app: TestApp;
  readonly #userAgent: string;

  constructor(app: TestApp, userAgent = "TestBrowser/1.0") {
    this.#app = app;
    this.#userAgent = userAgent;
  }

  async open(options: VisitOptions = {}): Promise<OpenVisit> {
    const cookie = cookieHeader(options.jar ?? this.jar);
    const facts = factsOf((name) => (name === "cookie" ? cookie : undefined), {
      method: "GET",
      secure: true,
      address: "192.0.2.7",
      arrivedAt: this.#app.psession.core.settings.clock.now(),
    });
    const exchange = this.#app.psession.exchange({ ...facts, userAgent: this.#userAgent, ...options });
    const session = await exchange.open();
    return {
      session,
      answer: async ({ lost = false } = {}) => {
        const { setCookie } = await exchange.commit();
        if (!lost && !options.lost) for (const line of setCookie) receive(this.jar, line);
        return setCookie;
      },
    };
  }

  async visit<R = void>(
    handler: Handler<R> = () => undefined as R,
    options: VisitOptions = {},
  ): Promise<Visited<R>> {
    const visit = await this.open(options);
    const result = await handler(visit.session);
    const setCookie = await visit.answer();
    return { session: visit.session, result, setCookie };
  }

  /** Closes and reopens the browser: cookies without Max-Age are gone. */
  restart(): void {
    for (const [name, { isTransient }] of this.jar) if (isTransient) this.jar.delete(name);
  }

  copyJar(): Jar {
    return new Map(this.jar);
  }
}

export interface Visited<R> {
  readonly session: TestSession;
  readonly result: R;
  readonly setCookie: readonly string[];
}

export function cookieHeader(jar: Jar): string | undefined {
  return jar.size === 0 ? undefined : [...jar].map(([name, { value }]) => `${name}=${value}`).join("; ");
}

/** Does with a Set-Cookie line what browsers do, as far as ours need it. */
export function receive(jar: Jar, line: string): void {
  const [pair = "", ...attributes] = line.split("; ");
  const equals = pair.indexOf("=");
  const name = pair.slice(0, equals);
  const maxAge = attributes.find((attribute) => attribute.startsWith("Max-Age="))?.slice(8);
  if (maxAge === "0") jar.delete(name);
  else jar.set(name, { value: pair.slice(equals + 1), isTransient: maxAge === undefined });
}

/** Ada's sign-in, and the data of her latest other session that it was given; "none" where it was not asked. */
export async function signInCarrying(session: TestSession) {
  let previous: unknown = "none";
  const carry = (present: Partial<TestData>, other: Partial<TestData> | undefined) => {
    previous = other;
    return present;
  };
  return [await session.login("ada", { carry }), previous];
}

export const SESSION = "__Host-psession";
export const REMEMBER = "__Host-psession-remember";
