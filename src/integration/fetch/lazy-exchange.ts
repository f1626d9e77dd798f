import type { SessionData } from "../../data/typing.ts";
import { NO_SETTLEMENT, type Settlement } from "../../http/settlement.ts";
import type { Psession } from "../../psession.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { RequestFacts } from "../../request/facts.ts";
import { Moment } from "../../request/moment.ts";
import type { Session } from "../../session.ts";
import { knownMomentOf } from "../node/arrivals.ts";

/** The visitor's session; the store is asked at the first call. */
export type GetSession<Data extends object = SessionData> = () => Promise<Session<Data>>;

/** One request whose session is opened when a handler asks for it. */
export class LazyExchange<Data extends object> {
  readonly #psession: Psession<Data>;
  readonly #facts: (arrivedAt: number) => RequestFacts;
  readonly #arrived: Moment;
  #exchange: Exchange<Session<Data>> | undefined;
  #isAnswered = false;

  /** `incoming`: Node's own request, if available. */
  constructor(psession: Psession<Data>, facts: (arrivedAt: number) => RequestFacts, incoming?: unknown) {
    this.#psession = psession;
    this.#facts = facts;
    // No setting is read here: a build renders pages before there are keys (options that come as a function).
    this.#arrived = knownMomentOf(incoming) ?? new Moment();
  }

  /** Bound, as handlers get the function alone. */
  readonly getSession: GetSession<Data> = async () => {
    if (this.#exchange !== undefined) return this.#exchange.open();
    const { clock } = this.#psession.core.settings;
    const facts = this.#facts(this.#arrived.by(clock) ?? clock.now());
    // First asked for while the body streams: nothing will settle it later, and no cookie can be set.
    const isLate = this.#isAnswered;
    this.#exchange = this.#psession.exchange(isLate ? { ...facts, canSetCookies: false } : facts);
    const session = await this.#exchange.open();
    if (isLate) await this.#exchange.commit({ canSetCookies: false, savesAfterHead: true });
    return session;
  };

  /**
   * Called when there is a response; `canSetCookies` is called only if there is a session to settle. These
   * integrations do not see the end of the body, so later changes are saved as they are made.
   */
  async settle(canSetCookies: () => boolean): Promise<Settlement> {
    this.#isAnswered = true;
    if (this.#exchange === undefined) return NO_SETTLEMENT;
    try {
      await this.#exchange.open();
    } catch {
      // The handler that opened it got the error, and has made its own answer.
      return NO_SETTLEMENT;
    }
    return this.#exchange.commit({ canSetCookies: canSetCookies(), savesAfterHead: true });
  }
}

/** Node's own request, which `@hono/node-server` passes to handlers; other servers pass something else. */
export const incomingIn = (context: unknown): unknown =>
  typeof context === "object" && context !== null && "incoming" in context ? context.incoming : undefined;
