import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";

/** A session that is opened when it is first awaited. */
export class LazySession<Data extends object> implements PromiseLike<Session<Data>> {
  readonly psession: Psession<Data>;
  readonly #open: () => Promise<Session<Data>>;

  constructor(psession: Psession<Data>, open: () => Promise<Session<Data>>) {
    this.psession = psession;
    this.#open = open;
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaited is what it is for.
  then<A = Session<Data>, B = never>(
    onOpened?: ((session: Session<Data>) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#open().then(onOpened, onFailed);
  }
}
