import type { Settings } from "../../../src/options/settings.ts";
import { makeCore } from "../../../src/request/core.ts";
import type { RequestFacts } from "../../../src/request/facts.ts";
import type { Core, RequestState } from "../../../src/request/state.ts";
import type { AuditEntry, AuditSink } from "../../../src/stores/audit.ts";
import type { Database } from "../../../src/stores/kit/database.ts";
import { type Library, seedRandomness } from "../library.ts";
import { cookiesOf, Recorded } from "../recorded.ts";
import { ELSEWHERE } from "../request.ts";
import { perform as call, isRead, type Rows, type StoreCall } from "../rows.ts";
import { isOrder, isPoll, obey, perform, type Told } from "./acts.ts";
import { type Noted, noted, storeOf } from "./trail.ts";
import type { Bounds, Jar, Opened, Progress, Running } from "./world.ts";

/** Windows of one tick each, as in `../scenes.ts`. */
const TICKS = { converge: 1, delivery: 1, transit: 1, persist: 1, skew: 0, queue: 12, arrival: 6 };
const LONG = 1e9;

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Runs requests against recorded answers, as `../request.ts`. */
export class Runner {
  readonly library: Library;
  readonly settings: Settings;
  readonly #recorded: Recorded;
  readonly #core: Core;
  readonly #isAudited: boolean;
  #told: string[] = [];
  #noted: Noted[] = [];

  constructor(library: Library, { lives, isAudited = false }: Pick<Bounds, "lives" | "isAudited">) {
    this.library = library;
    this.#isAudited = isAudited;
    this.#recorded = new Recorded(library, { audit: isAudited });
    const { settings } = this.#recorded;
    const { idle = LONG, absolute = LONG, remembered = LONG } = lives ?? {};
    this.settings = {
      ...settings,
      times: library.deriveTimes(TICKS),
      session: { ...settings.session, idle, absolute, touchEvery: lives === undefined ? 1e12 : 2 },
      remember: { ...settings.remember, idle: remembered, absolute: 3 * remembered },
      devices: { ...settings.devices, safety: undefined },
    };
    this.#core = makeCore(this.settings, this.#events());
  }

  #events(): Core["events"] {
    const events = new this.library.Events();
    events.on("*", ({ type }) => void this.#told.push(type));
    return events;
  }

  /** Of its own: who waits for a turn in a run that was stopped would wait for ever. */
  #coreOf({ id }: Running): Core {
    const core = { ...this.#core };
    const { audit } = core.settings;
    if (audit === undefined) return core;
    // As in a process of its own: entries are on their way to the trail until the explorer lets them arrive.
    const append = async (entries: readonly AuditEntry[]) => {
      for (const entry of entries) this.#noted.push(noted(entry, id, this.#noted.length));
    };
    const sink = { append, erase: this.#erase };
    return { ...core, events: this.#events(), settings: { ...core.settings, audit: { ...audit, sink } } };
  }

  readonly #erase: NonNullable<AuditSink["erase"]> = async (erasure) => {
    const store = this.#recorded.settings.store as unknown as Pick<Database<unknown>, "transaction">;
    const trail = storeOf(this.library, (work) => store.transaction(work)).audit;
    return trail?.erase(erasure) ?? 0;
  };

  /** As far as the recorded answers lead. */
  async run(request: Running): Promise<Progress> {
    seedRandomness(`request ${request.id}`);
    this.#told = [];
    this.#noted = [];
    const told: Told = {};
    const seen: { opened: Opened | undefined } = { opened: undefined };
    const at = (kind: Progress["kind"], more: Partial<Progress> = {}): Progress => ({
      ...{ kind, call: undefined, opened: seen.opened, cookies: [], events: this.#told, noted: [], told },
      ...more,
    });
    const script = async () => {
      if (isOrder(request.act)) {
        await this.#order(request, told);
        return at("answering");
      }
      const { state, isAnswering } = await this.#script(request, told, seen);
      if (!isAnswering) return at("handling");
      return at("answering", { cookies: cookiesOf(state, this.#recorded.now, this.settings.times) });
    };
    const progress = await this.#recorded.run(request, script, (call) => at("calling", { call }));
    if (!this.#isAudited) return progress;
    // Entries go to the trail a turn after their events.
    await nextTurn();
    return { ...progress, noted: this.#noted };
  }

  async #order(request: Running, told: Told): Promise<void> {
    const core = this.#coreOf(request);
    const { act, handle } = request;
    if (isOrder(act)) await obey(act, new this.library.Psession(() => core), handle, told);
  }

  async #script(
    request: Running,
    told: Told,
    seen: { opened: Opened | undefined },
  ): Promise<{ state: RequestState; isAnswering: boolean }> {
    const { library } = this;
    const { act } = request;
    const core = this.#coreOf(request);
    const psession = new library.Psession(() => core);
    // It begins to hear events.
    if (this.#isAudited) void psession.core;
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
    this.#recorded.now = request.commitAt;
    try {
      if (told.code === undefined) await library.commitRequest(state, true);
    } catch (error) {
      told.code = codeOf(error);
      session.takeBack();
    }
    return { state, isAnswering: true };
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
    return (["session", "remember", "trust", "acting"] as const)
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
const CODES: ReadonlySet<unknown> = new Set([
  ...["nothing_pending", "proof_outdated", "not_signed_in"],
  // Ada's own session is no more, or is another one; and what only Bob may do.
  ...["session_ended", "impersonating"],
]);

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (CODES.has(code)) return String(code);
  throw error;
}
