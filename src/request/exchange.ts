import { serializeCookie } from "../http/cookies.ts";
import { Session } from "../session.ts";
import { commitRequest, inTurn } from "./commit.ts";
import type { RequestFacts } from "./facts.ts";
import { openRequest } from "./open.ts";
import type { Core, RequestState, SessionLife } from "./state.ts";

/** What an adapter puts on the response. */
export interface Settlement {
  /** Set-Cookie lines, to be added to those that the application set. */
  readonly setCookie: readonly string[];
  /** The response must not be kept by caches: it sets cookies (ASVS 14.3.2). */
  readonly noStore: boolean;
}

const NOTHING: Settlement = { setCookie: [], noStore: false };

/**
 * One request and its response. Adapters make one from the request's facts, hand its session to the handler,
 * and call `commit` just before the first byte of the response leaves.
 */
export class Exchange<Data extends object = object> {
  readonly #core: Core;
  readonly #facts: RequestFacts;
  #opening: Promise<Session<Data>> | undefined;
  #state: RequestState | undefined;
  #isSettled = false;

  constructor(core: Core, facts: RequestFacts) {
    this.#core = core;
    this.#facts = facts;
  }

  /** The visitor's session. The store is asked at the first call; a request that never calls costs nothing. */
  open(): Promise<Session<Data>> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Gives this session a life of its own. For frameworks whose sessions have one each; before a save or commit. */
  live(life: SessionLife): void {
    if (this.#state !== undefined) this.#state.life = life;
  }

  /**
   * Saves, rotates and settles the cookies, in at most one transaction. Call it before the head is sent;
   * `canSetCookies: false` says that it was sent already, and then nothing is done that needs a cookie.
   * Answers at once, without a promise, where the store has nothing to do.
   */
  commit(options: { canSetCookies?: boolean } = {}): Settlement | Promise<Settlement> {
    const state = this.#state;
    if (state === undefined) {
      return this.#opening === undefined ? NOTHING : this.#opening.then(() => this.commit(options));
    }
    if (options.canSetCookies === false) state.canSetCookies = false;
    // A save that the handler did not wait for comes first.
    if (state.turn !== undefined) return inTurn(state, () => this.#commit(state));
    const settled = this.#commit(state);
    return settled instanceof Promise ? inTurn(state, () => settled) : settled;
  }

  #commit(state: RequestState): Settlement | Promise<Settlement> {
    try {
      if (this.#isSettled && !isChanged(state)) return NOTHING;
      const working = commitRequest(state, { isFinal: true });
      if (working === undefined) return this.#settle(state);
      return working.then(
        () => this.#settle(state),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      return this.#fail(error);
    }
  }

  async #open(): Promise<Session<Data>> {
    try {
      const state = await openRequest(this.#core, this.#facts);
      this.#state = state;
      return new Session<Data>(state);
    } catch (error) {
      return this.#fail(error);
    }
  }

  #settle(state: RequestState): Settlement {
    const { canSetCookies, cookies, stale, openedAt } = state;
    const { clock, times } = this.#core.settings;
    this.#isSettled = true;
    // What follows this settlement comes too late for the head.
    state.canSetCookies = false;
    if (!canSetCookies) return NOTHING;
    // While a handler took its time, the browser may have been given a newer cookie of this name.
    const isQuick = clock.now() - openedAt <= times.skew;
    const cleared = isQuick ? stale.filter(({ definition }) => !cookies.has(definition.name)) : [];
    const all = [...cleared, ...cookies.values()];
    return all.length === 0
      ? NOTHING
      : { setCookie: all.map(serializeCookie), noStore: this.#core.settings.cookies.noStore };
  }

  #fail(error: unknown): never {
    if (error instanceof Error && "code" in error && error.code === "store_unavailable") {
      this.#core.events.emit("storeUnavailable", { at: this.#core.settings.clock.now(), error });
    }
    throw error;
  }
}

const isChanged = (state: RequestState): boolean =>
  state.intent.kind !== "keep" || state.data.changed() !== undefined;
