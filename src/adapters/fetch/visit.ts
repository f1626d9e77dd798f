import type { SessionData } from "../../data/typing.ts";
import type { Psession } from "../../psession.ts";
import type { CommitOptions, Exchange, Settlement } from "../../request/exchange.ts";
import type { RequestFacts } from "../../request/facts.ts";
import type { Session } from "../../session.ts";

/** The visitor's session; the store is asked at the first call. */
export type GetSession<Data extends object = SessionData> = () => Promise<Session<Data>>;

const NOTHING: Settlement = { setCookie: [], noStore: false };

/** One request whose session is opened when somebody asks for it. */
export class Visit<Data extends object> {
  readonly #psession: Psession<Data>;
  readonly #facts: () => RequestFacts;
  #exchange: Exchange<Data> | undefined;

  constructor(psession: Psession<Data>, facts: () => RequestFacts) {
    this.#psession = psession;
    this.#facts = facts;
  }

  get isAsked(): boolean {
    return this.#exchange !== undefined;
  }

  /** Bound, as handlers are given it by itself. */
  readonly getSession: GetSession<Data> = async () => {
    this.#exchange ??= this.#psession.exchange(this.#facts());
    return this.#exchange.open();
  };

  /** These faces see a response, not the end of its body: what is changed later is saved by itself. */
  async settle(options: CommitOptions = {}): Promise<Settlement> {
    if (this.#exchange === undefined) return NOTHING;
    try {
      await this.#exchange.open();
    } catch {
      // Whoever asked was told, and has answered as they see fit.
      return NOTHING;
    }
    return this.#exchange.commit({ ...options, savesLate: true });
  }
}
