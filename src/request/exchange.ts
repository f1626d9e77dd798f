import { setImmediate } from "node:timers";

import { serializeCookie } from "../http/cookies.ts";
import { type Caching, NO_SETTLEMENT, type Settlement } from "../http/settlement.ts";
import {
  type CommitContext,
  commits,
  isHeard,
  type OpenContext,
  openings,
  traced,
} from "../telemetry/tracing.ts";
import { warnOfSaveAfterHead } from "../telemetry/warnings.ts";
import { isAlive } from "./alive.ts";
import { registrationOf } from "./bound.ts";
import { commitRequest, inTurn } from "./commit.ts";
import { unlock } from "./exclusive.ts";
import { type RequestFacts, tokenOf } from "./facts.ts";
import { settledFor } from "./on-end.ts";
import { openRequest } from "./open.ts";
import { takeBack } from "./standing.ts";
import {
  type Core,
  cachingOf,
  isChanged,
  type RequestState,
  type SessionLife,
  type Writing,
} from "./state.ts";

export interface CommitOptions {
  readonly canSetCookies?: boolean;
  readonly savesAfterHead?: boolean;
}

/** Integrations whose framework expects more of a session than this class has make one of their own. */
export type MakeSession<S> = (state: RequestState) => S;

type State = Writing<"life" | "canSetCookies" | "onUseAfterHead">;

/** For answers without a cookie of psession's, which are most. */
const SETTLEMENTS: Readonly<Record<Caching, Settlement>> = {
  varies: { ...NO_SETTLEMENT, caching: "varies" },
  private: { ...NO_SETTLEMENT, caching: "private" },
  guarded: { ...NO_SETTLEMENT, caching: "guarded" },
};

/**
 * One request and its response. Integrations make one from the request's facts, hand its session to the handler,
 * and call `commit` just before the first byte of the response leaves.
 */
export class Exchange<S> {
  readonly #core: Core;
  /** @internal */
  readonly facts: RequestFacts;
  readonly #make: MakeSession<S>;
  /** What `currentRequest()` returns within this request. */
  readonly token: object;
  #opening: Promise<S> | undefined;
  #state: State | undefined;
  #isSettled = false;
  #savesAfterHead = false;
  /** The head has not been sent yet. */
  #canSetHeaders = true;

  /** @internal */
  constructor(core: Core, facts: RequestFacts, make: MakeSession<S>) {
    this.#core = core;
    this.facts = facts;
    this.token = tokenOf(this.facts);
    this.#make = make;
  }

  /** The visitor's session. The store is asked at the first call; a request that never calls costs nothing. */
  open(): Promise<S> {
    this.#opening ??= isHeard(openings) ? this.#openTraced() : this.#open();
    return this.#opening;
  }

  /** Sets this session's own lifetime. For frameworks that have one per session; call it before a save or commit. */
  live(life: SessionLife): void {
    if (this.#state !== undefined) this.#state.life = life;
  }

  /**
   * Saves, rotates and settles the cookies, in at most one transaction. Call it before the head is sent;
   * `canSetCookies: false` says that it was sent already, and then nothing is done that needs a cookie.
   * Answers at once, without a promise, where the store has nothing to do.
   * `savesAfterHead`: for integrations that do not see the end of the body; what is changed while it streams is then
   * saved right after.
   */
  commit(options: CommitOptions = {}): Settlement | Promise<Settlement> {
    const state = this.#state;
    if (state === undefined) {
      return this.#opening === undefined ? NO_SETTLEMENT : this.#opening.then(() => this.commit(options));
    }
    if (options.canSetCookies === false) this.#canSetHeaders = state.canSetCookies = false;
    if (options.savesAfterHead === true) this.#savesAfterHead = true;
    // A save that the handler did not wait for comes first.
    if (state.turn !== undefined) return inTurn(state, () => this.#commit(state));
    const settled = this.#commit(state);
    return settled instanceof Promise ? inTurn(state, () => settled) : settled;
  }

  /** Whether the session that was opened is still there, by a fresh read; false where there was none. */
  async isAlive(): Promise<boolean> {
    return this.#state !== undefined && isAlive(this.#state);
  }

  #commit(state: State): Settlement | Promise<Settlement> {
    if (!isHeard(commits)) return this.#save(state);
    const context: CommitContext = { store: this.#core.settings.store.name, outcome: state.outcome };
    return traced(commits, context, () => this.#save(state));
  }

  #save(state: State): Settlement | Promise<Settlement> {
    try {
      state.flash?.settle();
      if (this.#isSettled && !isChanged(state)) return this.#settlement(state);
      const working = commitRequest(state, true);
      if (working === undefined) return this.#settle(state);
      return working.then(
        () => this.#settle(state),
        (error: unknown) => this.#giveUp(state, error),
      );
    } catch (error) {
      return this.#giveUp(state, error);
    }
  }

  async #openTraced(): Promise<S> {
    const context: OpenContext = { store: this.#core.settings.store.name, outcome: undefined };
    return traced(openings, context, async () => {
      const session = await this.#open();
      context.outcome = this.#state?.outcome;
      return session;
    });
  }

  async #open(): Promise<S> {
    try {
      const state = await openRequest(this.#core, this.facts);
      this.#state = state;
      // Now: on a single connection, the request's own reads would wait behind it.
      if (hasRead(state)) this.#core.clocks.noteRead(state.openedAt);
      return this.#make(state);
    } catch (error) {
      return this.#fail(error);
    }
  }

  #settle(state: State): Settlement {
    const { canSetCookies, cookies, stale, arrivedAt } = state;
    const { clock, times } = this.#core.settings;
    this.#isSettled = true;
    unlock(state);
    // What follows this settlement comes too late for the head.
    state.canSetCookies = false;
    settledFor(state);
    if (this.#savesAfterHead) state.onUseAfterHead ??= saveSoon(() => this.commit());
    if (!canSetCookies || (stale.length === 0 && cookies.size === 0)) return this.#settlement(state);
    // While a body or a handler took its time, the browser may have been given a newer cookie of this name.
    const isQuick = clock.now() - arrivedAt <= times.skew;
    const cleared = isQuick ? stale.filter(({ definition }) => !cookies.has(definition.name)) : [];
    return this.#settlement(state, [...cleared, ...cookies.values()].map(serializeCookie));
  }

  #settlement(state: RequestState, setCookie: readonly string[] = []): Settlement {
    const caching = this.#canSetHeaders && state.facts.canSetCookies ? cachingOf(state) : undefined;
    if (setCookie.length === 0) return caching === undefined ? NO_SETTLEMENT : SETTLEMENTS[caching];
    const { noStore } = this.#core.settings.cookies;
    return { setCookie, noStore, caching, registration: registrationOf(state) };
  }

  /** The error page has a commit of its own, which must not store what this one could not. */
  #giveUp(state: RequestState, error: unknown): never {
    takeBack(state);
    return this.#fail(error);
  }

  #fail(error: unknown): never {
    if (this.#state !== undefined) unlock(this.#state);
    if (error instanceof Error && "code" in error && error.code === "store_unavailable") {
      this.#core.events.emit("storeUnavailable", { at: this.#core.settings.clock.now(), error });
    }
    throw error;
  }
}

/** It came with a cookie of psession's: an application that is being built may open sessions, and must not connect. */
const hasRead = ({ presented, rememberCookie }: RequestState): boolean =>
  presented !== undefined || rememberCookie.kind === "valid";

/** Saves once after the running code has returned, however often that uses the data. */
function saveSoon(commit: () => unknown): () => void {
  let isWaiting = false;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    setImmediate(async () => {
      isWaiting = false;
      try {
        await commit();
      } catch (error) {
        warnOfSaveAfterHead(error);
      }
    });
  };
}
