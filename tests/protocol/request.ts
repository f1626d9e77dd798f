import type { CookieInstruction } from "../../src/http/cookies.ts";
import type { Settings } from "../../src/options/settings.ts";
import type { SessionStanding } from "../../src/protocol/decide.ts";
import { makeCore } from "../../src/request/core.ts";
import type { RequestFacts } from "../../src/request/facts.ts";
import type { Core, RequestState } from "../../src/request/state.ts";
import { digestIn } from "./digests.ts";
import { type Handler, handle } from "./handlers.ts";
import { type Library, seedRandomness } from "./library.ts";
import { type Answered, cookiesOf, Recorded } from "./recorded.ts";
import type { Rows, StoreCall } from "./rows.ts";

/** Where thieves are. */
export const ELSEWHERE = "198.51.100.9";

export interface Jar {
  readonly session: string | undefined;
  readonly remember: string | undefined;
}

/** Of a request that nothing has held up. */
export const momentOf = (now: number) => ({ now, arrivedAt: now });

export const NO_COOKIES: Jar = { session: undefined, remember: undefined };

/** A second cookie of each name, as a subdomain can set one. */
export type Tossed = "forged cookies" | "cookies of ours";

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
  /** When its head arrived, or when whoever writes heads says so; undefined: when it was opened. */
  readonly arrivedAt?: number | undefined;
  /** Another site made the browser send it, which withheld its cookies. */
  readonly isWithheld?: boolean;
  /** It comes from another network, by another browser. */
  readonly isFromElsewhere?: boolean;
  readonly tossed?: Tossed | undefined;
  /** Its server's options have shorter lives. */
  readonly isLimited?: boolean;
  readonly answers: readonly Answered[];
  /** When its handler ended and the commit began. */
  readonly commitAt: number | undefined;
}

export type Progress =
  | { readonly kind: "calling"; readonly call: StoreCall; readonly events: readonly string[] }
  | { readonly kind: "handling"; readonly state: RequestState; readonly events: readonly string[] }
  | {
      readonly kind: "answering";
      readonly cookies: readonly CookieInstruction[];
      readonly events: readonly string[];
      /** The answer says that the credential was checked too long ago. */
      readonly isOutdated: boolean;
    };

/** Lives, in ticks, that an application was given by a deploy. */
export interface Lives {
  readonly session: number;
  readonly login: number;
}

/** As long for sessions as for logins, so that a session that outlives its login would be seen. */
const LONG = 1e9;

/** Runs requests against recorded answers. */
export class Runner {
  readonly library: Library;
  readonly settings: Settings;
  /** Those that a deploy leaves. */
  readonly lives: Lives;
  readonly #recorded: Recorded;
  readonly #core: Core;
  readonly #limited: Core;
  #told: string[] = [];

  constructor(library: Library, times: Settings["times"], lives: Lives = { session: LONG, login: LONG }) {
    this.library = library;
    this.lives = lives;
    this.#recorded = new Recorded(library);
    const real: Settings = { ...this.#recorded.settings, times };
    const living = (session: number, login: number): Settings => ({
      ...real,
      session: { ...real.session, idle: LONG, absolute: session, touchEvery: 1e12 },
      remember: { ...real.remember, idle: LONG, absolute: login },
    });
    this.settings = living(LONG, LONG);
    const events = new library.Events();
    events.on("*", ({ type }) => void this.#told.push(type));
    this.#core = makeCore(this.settings, events);
    this.#limited = { ...this.#core, settings: living(lives.session, lives.login) };
  }

  /** What a session cookie is worth by these rows. */
  worthOf(cookie: string, { sessions }: Rows, now: number): SessionStanding {
    const digest = Buffer.from(digestIn(cookie), "hex");
    const row = sessions.get(cookie.split(".")[0] ?? "");
    return this.library.decide.decideSession(row, digest, momentOf(now), this.settings.times);
  }

  /** As far as the recorded answers lead. */
  run(request: Running): Promise<Progress> {
    seedRandomness(`request ${request.id}`);
    this.#told = [];
    return this.#recorded.run(
      request,
      () => this.#script(request),
      (call) => ({ kind: "calling", call, events: this.#told }),
    );
  }

  async #script(request: Running): Promise<Progress> {
    // A core of its own: who waits for a turn in a run that was stopped would wait for ever.
    const core = { ...(request.isLimited === true ? this.#limited : this.#core) };
    const state = await this.library.openRequest(core, this.#facts(request));
    const { library } = this;
    await handle(request.handler, { library, psession: new library.Psession(() => core), state, ...request });
    if (request.commitAt === undefined) return { kind: "handling", state, events: this.#told };
    this.#recorded.now = request.commitAt + request.skew;
    const isOutdated = await committed(this.library.commitRequest(state, true));
    const cookies = isOutdated ? [] : cookiesOf(state, this.#recorded.now, this.settings.times);
    return { kind: "answering", cookies, events: this.#told, isOutdated };
  }

  #facts(request: Running): RequestFacts {
    const { openedAt, skew, arrivedAt = openedAt, isWithheld = false, isFromElsewhere = false } = request;
    return {
      cookie: isWithheld ? "" : this.#headerOf(request),
      secure: true,
      navigation: true,
      script: false,
      canSetCookies: true,
      arrivedAt: arrivedAt + skew,
      crossSite: isWithheld,
      safe: !isWithheld,
      forwarded: false,
      userAgent: isFromElsewhere ? "Thief/1.0" : "Browser/1.0",
      address: isFromElsewhere ? ELSEWHERE : "192.0.2.7",
    };
  }

  #headerOf({ cookies: { session, remember }, tossed }: Running): string {
    const { cookies, keys } = this.settings;
    const also = tossed === undefined ? undefined : tossedIn(keys, tossed);
    const pairs = [
      ...(also === undefined ? [] : [`${cookies.session.name}=${also.session}`]),
      ...(also === undefined ? [] : [`${cookies.remember.name}=${also.remember}`]),
      ...(session === undefined ? [] : [`${cookies.session.name}=${session}`]),
      ...(remember === undefined ? [] : [`${cookies.remember.name}=${remember}`]),
    ];
    return pairs.join("; ");
  }
}

/** Whether a commit was refused, as its credential was checked too early. */
async function committed(committing: Promise<unknown> | undefined): Promise<boolean> {
  try {
    await committing;
    return false;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "proof_outdated") return true;
    throw error;
  }
}

const NO_SECRET = Buffer.alloc(32, 1).toString("base64url");
const NO_ID = "tossed".padEnd(18, "0");

/** Of no row; signed by us, or by whoever guesses. */
function tossedIn(keys: Settings["keys"], tossed: Tossed): Jar {
  const id = `${NO_ID}0000`;
  const texts = { session: `${id}.${NO_SECRET}`, remember: `${id}.0.${NO_SECRET}` };
  const mac = (purpose: "session" | "remember") =>
    tossed === "forged cookies" ? "A".repeat(22) : keys.sign(purpose, texts[purpose]);
  return {
    session: `${texts.session}.${mac("session")}`,
    remember: `${texts.remember}.${mac("remember")}`,
  };
}
