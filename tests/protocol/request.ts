import type { CookieInstruction } from "../../src/http/cookies.ts";
import { Locks } from "../../src/locks.ts";
import type { Settings } from "../../src/options.ts";
import type { RequestFacts } from "../../src/request/facts.ts";
import type { RequestState } from "../../src/request/state.ts";
import type { RememberedRow, SessionRow, Store } from "../../src/stores/store.ts";
import { type Library, seedRandomness } from "./library.ts";

/** The contents of the store, as data: a world is copied by copying these. */
export interface Rows {
  readonly sessions: ReadonlyMap<string, SessionRow>;
  readonly logins: ReadonlyMap<string, RememberedRow>;
}

export interface Jar {
  readonly session: string | undefined;
  readonly remember: string | undefined;
}

export type Handler = "read" | "write" | "reauthenticate" | "regenerate" | "logout" | "login" | "renew";

interface Answered {
  readonly value: unknown;
  readonly at: number;
}

/**
 * A request on its way through the real code. Its progress is the list of answers that the store gave so far:
 * run again from the beginning with these, it arrives at the same point, and from there goes one call further.
 */
export interface Running {
  readonly id: number;
  readonly cookies: Jar;
  readonly handler: Handler;
  /** Which of the keys of the session's data it writes. */
  readonly slot: number;
  /** How far the clock of its server is ahead. */
  readonly skew: number;
  readonly openedAt: number;
  readonly answers: readonly Answered[];
  /** When its handler ended and the commit began. */
  readonly commitAt: number | undefined;
}

export interface StoreCall {
  readonly name: string;
  readonly values: readonly unknown[];
}

export type Progress =
  | { readonly kind: "calling"; readonly call: StoreCall; readonly events: readonly string[] }
  | { readonly kind: "handling"; readonly state: RequestState; readonly events: readonly string[] }
  | {
      readonly kind: "answering";
      readonly cookies: readonly CookieInstruction[];
      readonly events: readonly string[];
    };

/** Runs requests against recorded answers. One at a time: a run ends or stops for good before the next begins. */
export class Runner {
  readonly library: Library;
  readonly settings: Settings;
  readonly #events: InstanceType<Library["Events"]>;
  #told: string[] = [];
  #call: (name: string, values: readonly unknown[]) => Promise<unknown> = () =>
    Promise.reject(new Error("idle"));
  #now = 0;

  constructor(library: Library, times: Settings["times"]) {
    this.library = library;
    const store = new Proxy({} as Store, {
      get: (_, name) => {
        if (name === "userIds") return "any";
        return name === "then" ? undefined : (...values: unknown[]) => this.#call(String(name), values);
      },
    });
    const clock = { now: () => this.#now };
    const real = library.resolveOptions({ store: library.memoryStore(), keys: [KEY], clock, prune: false });
    this.settings = {
      ...real,
      keys: cached(real.keys),
      store,
      times,
      session: { ...real.session, touchEvery: 1e12 },
    };
    this.#events = new library.Events();
    this.#events.on("*", ({ type }) => void this.#told.push(type));
  }

  /** As far as the recorded answers lead. */
  async run(request: Running): Promise<Progress> {
    seedRandomness(`request ${request.id}`);
    this.#told = [];
    this.#now = request.openedAt + request.skew;
    let next = 0;
    let stop: (progress: Progress) => void = () => {};
    const stopped = new Promise<Progress>((resolve) => {
      stop = resolve;
    });
    this.#call = (name, values) => {
      const answer = request.answers[next++];
      if (answer === undefined) {
        stop({ kind: "calling", call: { name, values }, events: this.#told });
        return new Promise(() => {});
      }
      this.#now = answer.at + request.skew;
      return Promise.resolve(answer.value);
    };
    return Promise.race([this.#script(request), stopped]);
  }

  async #script(request: Running): Promise<Progress> {
    const { store, clock } = this.settings;
    const core = { settings: this.settings, events: this.#events, locks: new Locks(store, clock) };
    const state = await this.library.openRequest(core, this.#facts(request.cookies));
    await this.#handle(request, state);
    if (request.commitAt === undefined) return { kind: "handling", state, events: this.#told };
    this.#now = request.commitAt + request.skew;
    await this.library.commitRequest(state, { isFinal: true });
    return { kind: "answering", cookies: this.#cookiesOf(state), events: this.#told };
  }

  /** As the exchange does it: dead cookies are cleared by quick answers only. */
  #cookiesOf({ stale, cookies, openedAt }: RequestState): CookieInstruction[] {
    const isQuick = this.#now - openedAt <= this.settings.times.skew;
    return [...(isQuick ? stale : []), ...cookies.values()];
  }

  async #handle({ handler, slot, id }: Running, state: RequestState): Promise<void> {
    const session = new this.library.Session<Record<string, number>>(state);
    if (handler === "login") await session.login("ada", { remember: true });
    if (handler === "login" || !session.isSignedIn) return;
    if (handler === "write") session.set(`slot${slot}`, id);
    if (handler === "reauthenticate") await session.reauthenticate();
    if (handler === "regenerate") await session.regenerate();
    if (handler === "logout") await session.logout();
    if (handler === "renew") await session.renew();
  }

  #facts({ session, remember }: Jar): RequestFacts {
    const { cookies } = this.settings;
    const pairs = [
      ...(session === undefined ? [] : [`${cookies.session.name}=${session}`]),
      ...(remember === undefined ? [] : [`${cookies.remember.name}=${remember}`]),
    ];
    return {
      cookie: pairs.join("; "),
      secure: true,
      navigation: true,
      script: false,
      canSetCookies: true,
      arrivedAt: undefined,
      crossSite: false,
      safe: true,
      forwarded: false,
      userAgent: undefined,
      address: undefined,
    };
  }
}

/** The same MACs and successors are asked for over and over. */
function cached(keys: Settings["keys"]): Settings["keys"] {
  const known = new Map<string, unknown>();
  const remember = <T>(name: string, make: () => T): T => {
    if (!known.has(name)) known.set(name, make());
    return known.get(name) as T;
  };
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return {
    sign: (purpose: "session" | "remember", text: string) =>
      remember(`s ${purpose} ${text}`, () => keys.sign(purpose, text)),
    digestIfSigned: (...values: Parameters<typeof keys.digestIfSigned>) => {
      const [purpose, { text, mac }] = values;
      return remember(`v ${purpose} ${text} ${mac}`, () => keys.digestIfSigned(...values));
    },
    derive: (...values: Parameters<typeof keys.derive>) => {
      const [purpose, token, { id, generation, salt }, keyId] = values;
      return remember(`d ${purpose} ${hex(token)} ${id} ${generation} ${hex(salt)} ${keyId}`, () =>
        keys.derive(...values),
      );
    },
    currentKeyId: keys.currentKeyId,
  } as unknown as Settings["keys"];
}

const KEY = "explore/4Vq9Zt2Lx7Rb6Ns3Wy8Kd1Gh5Jf0";

/** Performs one call on the real memory store holding `rows`. */
export async function perform(
  library: Library,
  rows: Rows,
  { name, values }: StoreCall,
): Promise<{ readonly value: unknown; readonly rows: Rows }> {
  const store = library.memoryStore();
  for (const login of rows.logins.values()) await store.apply({ remember: login });
  for (const session of rows.sessions.values()) await store.apply({ insert: session });
  const method = store[name as keyof Store] as (...values: unknown[]) => Promise<unknown>;
  const value = await Reflect.apply(method, store, values);
  const isRead = name === "findSession" || name === "findRemembered";
  if (isRead) return { value, rows };

  const change = name === "apply" ? (values[0] as Parameters<Store["apply"]>[0]) : {};
  const sessions = new Map<string, SessionRow>();
  for (const id of [...rows.sessions.keys(), ...(change.insert === undefined ? [] : [change.insert.id])]) {
    const row = await store.findSession(id);
    if (row !== undefined) sessions.set(id, row);
  }
  const logins = new Map<string, RememberedRow>();
  for (const id of [...rows.logins.keys(), ...(change.remember === undefined ? [] : [change.remember.id])]) {
    const found = await store.findRemembered(id);
    if (found !== undefined) logins.set(id, found.login);
  }
  return { value, rows: { sessions, logins } };
}
