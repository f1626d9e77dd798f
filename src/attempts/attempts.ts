import { invalidOptions } from "../checks/faults.ts";
import { assertFunction, assertOptions, assertPsession } from "../checks/given.ts";
import { assertUserId } from "../checks/user-id.ts";
import { PsessionError } from "../errors.ts";
import type { Psession } from "../psession.ts";
import { originOf, type RequestFacts } from "../request/facts.ts";
import type { Core } from "../request/state.ts";
import { Session } from "../session.ts";
import type { UserId } from "../stores/store.ts";
import { warnOnce } from "../telemetry/warnings.ts";
import type { Subject } from "./counters.ts";
import { Counting } from "./counting.ts";
import { type AttemptSettings, attemptSettings, type SignInAttemptsOptions } from "./options.ts";
import { Subjects } from "./subjects.ts";

/** What attempts need of a session, as handlers get it. */
export interface AttemptSession {
  readonly userId: UserId | undefined;
  readonly pending: { readonly userId: UserId } | undefined;
}

/** Which account a sign-in is for. */
export interface AttemptedAccount {
  /** As it was typed, such as an email address: 1 to 320 characters. Existing or not, it is counted in the same way. */
  account: string;
  /** The user it belongs to; undefined where there is no such account. For browsers that are known, events and the trail. */
  userId: UserId | undefined;
}

/** What a verification gives: undefined, null and false say that the credential was wrong, anything else that it was right. */
export type Verified<T> = Exclude<T, undefined | null | false>;

/** What became of an attempt. */
export type Attempt<T> =
  /** The credential was right; `value` is what the verification gave. */
  | { readonly outcome: "passed"; readonly value: Verified<T>; readonly retryAfter?: undefined }
  /** It was wrong. */
  | { readonly outcome: "failed"; readonly value?: undefined; readonly retryAfter?: undefined }
  /** Nothing was verified: answer 429 with `Retry-After`, in seconds. */
  | { readonly outcome: "throttled"; readonly value?: undefined; readonly retryAfter: number };

/** An email address has 254. */
const LONGEST_ACCOUNT = 320;

interface Counted {
  readonly what: "password" | "code";
  readonly userId: UserId | undefined;
  /** Whether it comes from a browser on which the user has signed in before. */
  readonly known: boolean;
  readonly subjects: readonly Subject[];
}

/** Counts failed sign-ins, and slows the next ones. Made by `signInAttempts`. */
export class SignInAttempts {
  readonly #psession: Psession<object>;
  readonly #settings: AttemptSettings;
  readonly #counting: Counting;
  #subjects: Subjects | undefined;

  /** @internal */
  constructor(psession: Psession<object>, settings: AttemptSettings) {
    this.#psession = psession;
    this.#settings = settings;
    this.#counting = new Counting(settings);
    // Options that come later are looked at by each attempt: other requests have nothing to do with this.
    let started: Core | undefined;
    psession.whenStarted((core) => {
      started = core;
    });
    if (started !== undefined) this.#begin(started);
  }

  /**
   * Verifies a sign-in unless there were too many failed ones: at this account, or from this address; on a browser that
   * is known for the user, from that browser. Counted as failed before `verify` is called, and taken back when that gives
   * a value; where `verify` throws, it stays. Throws `invalid_options` (400) for an account that is no text, `cross_site`
   * (403) where another site made the browser send the request.
   */
  async try<T>(
    session: AttemptSession,
    who: AttemptedAccount,
    verify: () => T | Promise<T>,
  ): Promise<Attempt<T>> {
    const { core, facts } = this.#stateOf("try", session);
    const { account, userId } = this.#checked("try", who);
    assertFunction("try: verify", verify);
    const subjects = this.#subjectsIn(core);
    const browser = this.#knownBrowser(facts, userId, subjects);
    const counted =
      browser === undefined
        ? [subjects.account(account, userId), ...this.#addressOf(facts, subjects)]
        : [browser];
    const attempt = { what: "password", userId, known: browser !== undefined, subjects: counted } as const;
    return this.#attempt(core, facts, attempt, verify);
  }

  /**
   * As `try`, for the second factor of the user whose sign-in has begun in this session, or else who is signed in. Counted
   * by user, whatever browser it comes from. Throws `nothing_pending` (401) where there is neither.
   */
  async tryCode<T>(session: AttemptSession, verify: () => T | Promise<T>): Promise<Attempt<T>> {
    const { core, facts } = this.#stateOf("tryCode", session);
    assertFunction("tryCode: verify", verify);
    const userId = session.pending?.userId ?? session.userId;
    if (userId === undefined) throw noUser();
    const subjects = this.#subjectsIn(core);
    const known = this.#knownBrowser(facts, userId, subjects) !== undefined;
    const counted = [subjects.code(userId), ...(known ? [] : this.#addressOf(facts, subjects))];
    return this.#attempt(core, facts, { what: "code", userId, known, subjects: counted }, verify);
  }

  /**
   * Forgets the failures of an account and of its user's codes: after a reset password, or for the support. Not those of
   * addresses and of known browsers. Throws `store_unavailable` where the counters cannot be reached.
   */
  async reset(who: AttemptedAccount): Promise<void> {
    const { account, userId } = this.#checked("reset", who);
    const subjects = this.#subjectsIn(this.#psession.core);
    const codes = userId === undefined ? [] : [subjects.code(userId)];
    await this.#counting.forget([subjects.account(account, userId), ...codes]);
  }

  async #attempt<T>(
    core: Core,
    facts: RequestFacts,
    { what, userId, known, subjects }: Counted,
    verify: () => T | Promise<T>,
  ): Promise<Attempt<T>> {
    const at = () => core.settings.clock.now();
    const report = (error: PsessionError) => core.events.emit("storeUnavailable", { at: at(), error });
    const request = originOf(facts);
    const taking = await this.#counting.take(subjects, report);
    if (!("counted" in taking)) {
      const retryAfter = Math.ceil(taking.wait / 1000);
      core.events.emit("signInThrottled", { at: at(), userId, what, by: taking.by, retryAfter, request });
      return { outcome: "throttled", retryAfter };
    }
    const value = await verify();
    if (value === undefined || value === null || value === false) {
      core.events.emit("signInFailed", { at: at(), userId, what, known, request });
      return { outcome: "failed" };
    }
    await this.#counting.giveBack(taking, report);
    return { outcome: "passed", value: value as Verified<T> };
  }

  #begin({ settings }: Core): Subjects {
    if (this.#settings.knownBrowsers && !settings.devices.detectNew) {
      throw invalidOptions("signInAttempts", [
        "knownBrowsers needs psession's option devices.detectNew: true, by which a browser is known; without it, set knownBrowsers: false, and anybody can keep users waiting",
      ]);
    }
    this.#subjects = new Subjects(settings, this.#settings.limits);
    return this.#subjects;
  }

  #subjectsIn(core: Core): Subjects {
    return this.#subjects ?? this.#begin(core);
  }

  #stateOf(method: string, session: unknown): { readonly core: Core; readonly facts: RequestFacts } {
    const { core } = this.#psession;
    if (!(session instanceof Session && this.#psession.keeps(session as Session<object>))) {
      throw new PsessionError(
        "invalid_options",
        `${method}: session must be a session of the psession that signInAttempts was given, as its handlers get it; with psession/express-session that is psessionOf(req).session.`,
      );
    }
    const { facts } = Session.stateOf(session as Session<object>);
    // A page of an attacker's could use up the attempts of every visitor's browser.
    if (facts.crossSite && !facts.safe && this.#settings.crossSite === "refuse")
      throw new PsessionError("cross_site", "Another site made the browser send this sign-in.", {
        status: 403,
      });
    return { core, facts };
  }

  #checked(method: string, who: AttemptedAccount): AttemptedAccount {
    assertOptions(method, who, ["account", "userId"]);
    const { account, userId } = who;
    if (!("userId" in who))
      throw invalidOptions(method, ["userId is missing: undefined says that there is no such account"]);
    if (userId !== undefined) assertUserId(userId, this.#psession.core.settings.store.userIds);
    if (typeof account === "string" && account !== "" && account.length <= LONGEST_ACCOUNT)
      return { account, userId };
    const message = `${method}: account must be text of 1 to ${LONGEST_ACCOUNT} characters.`;
    throw new PsessionError("invalid_options", message, { status: 400 });
  }

  #knownBrowser(facts: RequestFacts, userId: UserId | undefined, subjects: Subjects): Subject | undefined {
    return this.#settings.knownBrowsers ? subjects.knownBrowser(facts, userId) : undefined;
  }

  #addressOf(facts: RequestFacts, subjects: Subjects): readonly Subject[] {
    if (!this.#settings.countsAddresses) return [];
    const address = subjects.address(facts);
    if (address !== undefined) return [address];
    warnOnce(
      "PSESSION_ATTEMPTS_ADDRESS",
      "Failed sign-ins are not counted by address, as psession does not know the visitors': trust the proxy (Express: " +
        "app.set('trust proxy', 1); elsewhere trustProxy: true), or set address: false.",
    );
    return [];
  }
}

const noUser = (): PsessionError =>
  new PsessionError(
    "nothing_pending",
    "tryCode: no sign-in has begun in this session, and nobody is signed in: guard the route with requirePending or requireLogin.",
    { status: 401 },
  );

/**
 * Slows guessing: counts failed sign-ins by account, by address and by known browser, over rate-limiter-flexible, in the
 * application's own database or Redis. Throws `invalid_options` with everything that is wrong.
 */
export function signInAttempts<Data extends object>(
  psession: Psession<Data>,
  options: SignInAttemptsOptions,
): SignInAttempts {
  assertPsession("signInAttempts", psession);
  return new SignInAttempts(psession as unknown as Psession<object>, attemptSettings(options));
}
