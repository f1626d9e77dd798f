import type { SessionData } from "../../data/typing.ts";
import { NO_SETTLEMENT, type Settlement } from "../../http/settlement.ts";
import type { Psession } from "../../psession.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { RequestFacts } from "../../request/facts.ts";
import type { Session } from "../../session.ts";
import { knownMomentOf } from "../node/arrivals.ts";

/** The visitor's session; the store is asked at the first call. */
export type GetSession<Data extends object = SessionData> = () => Promise<Session<Data>>;

/** One request whose session is opened when somebody asks for it. */
export class LazyExchange<Data extends object> {
  readonly #psession: Psession<Data>;
  readonly #facts: (arrivedAt: number) => RequestFacts;
  readonly #arrivedAt: number;
  #exchange: Exchange<Session<Data>> | undefined;
  #isAnswered = false;

  /** `incoming`: Node's own request, where it is at hand. */
  constructor(psession: Psession<Data>, facts: (arrivedAt: number) => RequestFacts, incoming?: unknown) {
    this.#psession = psession;
    this.#facts = facts;
    const { clock } = psession.core.settings;
    this.#arrivedAt = knownMomentOf(incoming)?.by(clock) ?? clock.now();
  }

  /** Bound, as handlers are given it by itself. */
  readonly getSession: GetSession<Data> = async () => {
    if (this.#exchange !== undefined) return this.#exchange.open();
    const facts = this.#facts(this.#arrivedAt);
    if (!this.#isAnswered) {
      this.#exchange = this.#psession.exchange(facts);
      return this.#exchange.open();
    }
    // First asked for by a body that streams: nobody is left who would settle it, or could set a cookie.
    this.#exchange = this.#psession.exchange({ ...facts, canSetCookies: false });
    const session = await this.#exchange.open();
    await this.#exchange.commit({ canSetCookies: false, savesAfterHead: true });
    return session;
  };

  /**
   * Called when there is a response; `canSetCookies` is asked only where there is a session to settle. These
   * integrations do not see the end of the body, so what is changed later is saved by itself.
   */
  async settle(canSetCookies: () => boolean): Promise<Settlement> {
    this.#isAnswered = true;
    if (this.#exchange === undefined) return NO_SETTLEMENT;
    try {
      await this.#exchange.open();
    } catch {
      // Whoever asked was told, and has answered as they see fit.
      return NO_SETTLEMENT;
    }
    return this.#exchange.commit({ canSetCookies: canSetCookies(), savesAfterHead: true });
  }
}

/** Node's own request, which `@hono/node-server` hands to handlers; other servers hand out something else. */
export const incomingIn = (context: unknown): unknown =>
  typeof context === "object" && context !== null && "incoming" in context ? context.incoming : undefined;
