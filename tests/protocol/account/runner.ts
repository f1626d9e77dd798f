import type { Settings } from "../../../src/options/settings.ts";
import { makeCore } from "../../../src/request/core.ts";
import type { RequestFacts } from "../../../src/request/facts.ts";
import type { Core, RequestState } from "../../../src/request/state.ts";
import type { Store } from "../../../src/stores/store.ts";
import { type Library, seedRandomness } from "../library.ts";
import { cached, ELSEWHERE, KEY } from "../request.ts";
import { perform as call, isRead, type Rows, type StoreCall } from "../rows.ts";
import { isOrder, isPoll, obey, perform, type Told } from "./acts.ts";
import type { Jar, Lives, Opened, Progress, Running } from "./world.ts";

/** Windows of one tick each, as in `../scenes.ts`. */
const TICKS = { converge: 1, delivery: 1, transit: 1, persist: 1, skew: 0, queue: 12, arrival: 6 };
const LONG = 1e9;

/** Runs requests against recorded answers: run again from its beginning, a request comes to the same point. */
export class Runner {
  readonly library: Library;
  readonly settings: Settings;
  readonly #core: Core;
  #told: string[] = [];
  #call: (name: string, values: readonly unknown[]) => Promise<unknown> = () =>
    Promise.reject(new Error("idle"));
  #now = 0;

  constructor(library: Library, lives: Lives | undefined) {
    this.library = library;
    const store = new Proxy({} as Store, {
      get: (_, name) => {
        if (name === "userIds") return "any";
        return name === "then" ? undefined : (...values: unknown[]) => this.#call(String(name), values);
      },
    });
    const clock = { now: () => this.#now };
    const real = library.resolveOptions({ store: library.memoryStore(), keys: [KEY], clock, prune: false });
    const { idle = LONG, absolute = LONG, remembered = LONG } = lives ?? {};
    this.settings = {
      ...real,
      keys: cached(real.keys),
      store,
      times: library.deriveTimes(TICKS),
      session: { ...real.session, idle, absolute, touchEvery: lives === undefined ? 1e12 : 2 },
      remember: { ...real.remember, idle: remembered, absolute: 3 * remembered },
      devices: { ...real.devices, safety: undefined },
    };
    const events = new library.Events();
    events.on("*", ({ type }) => void this.#told.push(type));
    this.#core = makeCore(this.settings, events);
  }

  /** As far as the recorded answers lead. */
  async run(request: Running): Promise<Progress> {
    seedRandomness(`request ${request.id}`);
    this.#told = [];
    this.#now = request.openedAt;
    const told: Told = {};
    const seen: { opened: Opened | undefined } = { opened: undefined };
    const at = (kind: Progress["kind"], more: Partial<Progress> = {}): Progress => ({
      ...{ kind, call: undefined, opened: seen.opened, cookies: [], events: this.#told, told },
      ...more,
    });
    let next = 0;
    let stop: (progress: Progress) => void = () => {};
    const stopped = new Promise<Progress>((resolve) => {
      stop = resolve;
    });
    this.#call = (name, values) => {
      const answer = request.answers[next++];
      if (answer === undefined) {
        stop(at("calling", { call: { name, values } }));
        return new Promise(() => {});
      }
      this.#now = answer.at;
      return Promise.resolve(answer.value);
    };
    const script = isOrder(request.act)
      ? this.#order(request, told).then(() => at("answering"))
      : this.#script(request, told, seen).then((state) =>
          state.isAnswering ? at("answering", { cookies: this.#cookiesOf(state.state) }) : at("handling"),
        );
    return Promise.race([script, stopped]);
  }

  async #order({ act, handle }: Running, told: Told): Promise<void> {
    const core = { ...this.#core };
    if (isOrder(act)) await obey(act, new this.library.Psession(() => core), handle, told);
  }

  async #script(
    request: Running,
    told: Told,
    seen: { opened: Opened | undefined },
  ): Promise<{ state: RequestState; isAnswering: boolean }> {
    const { library } = this;
    const { act } = request;
    // A core of its own: who waits for a turn in a run that was stopped would wait for ever.
    const core = { ...this.#core };
    const psession = new library.Psession(() => core);
    const state = await library.openRequest(core, this.#facts(request));
    const session = new library.Session(state);
    seen.opened = {
      user: session.userId as Opened["user"],
      pending: session.pending?.userId as Opened["pending"],
      standing: state.standing.kind,
    };
    try {
      if (!isOrder(act))
        await library.runInRequest(state.request, () =>
          perform(act, { library, psession, state, id: request.id, told }),
        );
    } catch (error) {
      told.code = codeOf(error);
    }
    if (request.commitAt === undefined) return { state, isAnswering: false };
    this.#now = request.commitAt;
    try {
      if (told.code === undefined) await library.commitRequest(state, true);
    } catch (error) {
      told.code = codeOf(error);
      session.takeBack();
    }
    return { state, isAnswering: true };
  }

  /** As the exchange does it: dead cookies are cleared by quick answers only. */
  #cookiesOf({ stale, cookies, openedAt }: RequestState): Progress["cookies"] {
    const isQuick = this.#now - openedAt <= this.settings.times.skew;
    return [...(isQuick ? stale : []), ...cookies.values()];
  }

  #facts({ cookies, openedAt, act, id }: Running): RequestFacts {
    const isThief = id >= THIEVES;
    return {
      cookie: this.#headerOf(cookies),
      secure: true,
      navigation: true,
      script: false,
      canSetCookies: true,
      arrivedAt: openedAt,
      crossSite: false,
      safe: true,
      forwarded: false,
      passive: isPoll(act),
      userAgent: isThief ? "Thief/1.0" : "Browser/1.0",
      address: isThief ? ELSEWHERE : "192.0.2.7",
    };
  }

  #headerOf(jar: Jar): string {
    const { cookies } = this.settings;
    return (["session", "remember", "trust"] as const)
      .flatMap((name) => (jar[name] === undefined ? [] : [`${cookies[name].name}=${jar[name]}`]))
      .join("; ");
  }

  /** One whole request with nothing beside it. */
  async probe(rows: Rows, act: Running["act"], cookies: Jar, now: number, how: Partial<Running> = {}) {
    let running: Running = {
      ...{ id: PROBES, act, cookies, handle: "", openedAt: now, answers: [], commitAt: undefined },
      ...how,
    };
    let current = rows;
    while (true) {
      const progress = await this.run(running);
      if (progress.kind === "answering") return { ...progress, rows: current };
      if (progress.kind === "handling") {
        running = { ...running, commitAt: now };
        continue;
      }
      const performed = await call(this.library, current, progress.call as StoreCall);
      if (progress.call !== undefined && !isRead(progress.call)) current = performed.rows;
      running = { ...running, answers: [...running.answers, { value: performed.value, at: now }] };
    }
  }
}

/** Ids from here on are of a thief's requests. */
export const THIEVES = 1000;
const PROBES = 500;

/** Answers of the application; anything else is a fault of the test. */
const CODES: ReadonlySet<unknown> = new Set(["nothing_pending", "proof_outdated", "not_signed_in"]);

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (CODES.has(code)) return String(code);
  throw error;
}
