import type { Settings } from "../../../src/options/settings.ts";
import type { BoundKey } from "../../../src/protocol/bound.ts";
import type { ReadsProofs } from "../../../src/request/bind.ts";
import { makeCore } from "../../../src/request/core.ts";
import type { RequestFacts } from "../../../src/request/facts.ts";
import type { RequestState } from "../../../src/request/state.ts";
import { type Library, seedRandomness } from "../library.ts";
import { cookiesOf, Recorded } from "../recorded.ts";
import { ELSEWHERE } from "../request.ts";
import { isRead, perform, type Rows, type StoreCall } from "../rows.ts";
import type { Act, Jar, Opened, Progress, Running } from "./world.ts";

const TICKS = { converge: 1, delivery: 1, transit: 1, persist: 1, skew: 0, queue: 12, arrival: 6 };
const LONG = 1e9;
/** How long a proof counts, in ticks; longer than requests are on their way. */
export const PROOF_LIFE = 4;
export const GRACE = 2;
/** How long a sign-in may wait for its second step. */
export const BEGUN = 2;
/** The browser counts from when it gets the answer. */
export const DELIVERY = 1;

/** A proof is its key and its challenge: what jose makes sure of is none of what is explored. */
export const proofBy = (who: string, challenge: string): string => `${who} ${challenge}`;

const keyOf = (x: string): BoundKey => ({ alg: "ES256", jwk: { x } });
const reads: ReadsProofs = {
  async readRegistration(proof) {
    const [who = "", challenge = ""] = proof.split(" ");
    return { key: keyOf(who), challenge };
  },
  async readProof(proof, { jwk }) {
    const [who, challenge = ""] = proof.split(" ");
    return who === jwk["x"] ? { challenge } : "forged";
  },
  isSameKey: (one, other) => one.jwk["x"] === other.jwk["x"],
};

const CODES: ReadonlySet<unknown> = new Set(["not_signed_in", "session_ended", "proof_outdated"]);

/** Runs requests against recorded answers, as `../request.ts`. */
export class Runner {
  readonly library: Library;
  readonly settings: Settings;
  readonly #recorded: Recorded;

  /** `skew`: by how much clocks of servers may differ. */
  constructor(library: Library, skew = 0) {
    this.library = library;
    this.#recorded = new Recorded(library);
    const { settings } = this.#recorded;
    this.settings = {
      ...settings,
      times: library.deriveTimes({ ...TICKS, skew }),
      session: { ...settings.session, idle: LONG, absolute: LONG, touchEvery: 1e12 },
      remember: { ...settings.remember, idle: LONG, absolute: 3 * LONG },
      devices: { ...settings.devices, safety: undefined },
      deviceBound: { path: "/keys", lifetime: PROOF_LIFE },
    };
  }

  async run(request: Running): Promise<Progress> {
    seedRandomness(`request ${request.id}`);
    const seen: { opened: Opened | undefined } = { opened: undefined };
    const at = (kind: Progress["kind"], more: Partial<Progress> = {}): Progress => ({
      ...{ kind, call: undefined, opened: seen.opened, cookies: [], bind: undefined, offer: undefined },
      ...more,
    });
    const script = async () => {
      // Of its own: who waits for a turn in a run that was stopped would wait for ever.
      const core = makeCore(this.settings, new this.library.Events());
      const state = await this.library.openRequest(core, this.#facts(request));
      const session = new this.library.Session(state);
      seen.opened = { user: session.userId, standing: state.standing.kind };
      const bind = await this.#act(request, state, session);
      const offer = this.library.registrationOf(state)?.challenge;
      const cookies = cookiesOf(state, this.#recorded.now, this.settings.times);
      return at("answering", { bind, offer, cookies });
    };
    return this.#recorded.run(request, script, (call) => at("calling", { call }));
  }

  async #act(request: Running, state: RequestState, session: InstanceType<Library["Session"]>) {
    const { library } = this;
    const { act, boundId, proof } = request;
    let bind: Progress["bind"];
    try {
      if (act === "register") bind = await library.register(state, proof, reads);
      else if (act === "refresh" || act === "forge")
        bind = await library.refresh(state, boundId, proof, reads);
      else await library.runInRequest(state.request, () => this.#handle(act, session));
      await library.commitRequest(state, true);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && CODES.has(error.code))) throw error;
      session.takeBack();
    }
    return bind;
  }

  async #handle(act: Act, session: InstanceType<Library["Session"]>): Promise<void> {
    if (act === "save") session.set("saved", true as never);
    if (act === "sign in") await session.login("ada", { remember: true });
    if (act === "plain") await session.login("ada");
    if (act === "mallory") await session.login("mallory");
    if (act === "begin") await session.begin("ada", { for: BEGUN });
    if (act === "leave") await session.logout();
    if (act === "renew" && session.isSignedIn) await session.renew();
  }

  #facts({ cookies, openedAt, skew, id }: Running): RequestFacts {
    const isThief = id >= THIEVES;
    return {
      cookie: this.#headerOf(cookies),
      secure: true,
      navigation: true,
      script: false,
      canSetCookies: true,
      arrivedAt: openedAt + skew,
      crossSite: false,
      safe: true,
      forwarded: false,
      userAgent: isThief ? "Thief/1.0" : "Browser/1.0",
      address: isThief ? ELSEWHERE : "192.0.2.7",
    };
  }

  #headerOf({ session, remember, bound }: Jar): string {
    const { cookies } = this.settings;
    return Object.entries({ session, remember, bound: bound?.value })
      .flatMap(([name, value]) =>
        value === undefined ? [] : [`${cookies[name as "session"].name}=${value}`],
      )
      .join("; ");
  }

  /** One whole request with nothing beside it. */
  async probe(rows: Rows, now: number, what: Pick<Running, "act" | "cookies"> & Partial<Running>) {
    let running: Running = {
      ...{
        id: PROBES,
        isWithout: false,
        skew: 0,
        boundId: undefined,
        proof: undefined,
        openedAt: now,
        answers: [],
        commitAt: now,
      },
      ...what,
    };
    let kept = rows;
    while (true) {
      const progress = await this.run(running);
      if (progress.kind === "answering") return { ...progress, rows: kept };
      const performed = await perform(this.library, kept, progress.call as StoreCall);
      if (progress.call !== undefined && !isRead(progress.call)) kept = performed.rows;
      running = { ...running, answers: [...running.answers, { value: performed.value, at: now }] };
    }
  }
}

/** Ids from here on are of a thief's requests. */
export const THIEVES = 1000;
const PROBES = 500;
