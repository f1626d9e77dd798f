import { refuseAssignments } from "../../checks/assignments.ts";
import { PsessionError } from "../../errors.ts";
import type { Psession } from "../../psession.ts";
import { SessionContent } from "../../request/content.ts";
import { Session } from "../../session.ts";

/** A session that is opened when it is first awaited. */
export class LazySession<Data extends object> implements PromiseLike<Session<Data>> {
  readonly psession: Psession<Data>;
  readonly #open: () => Promise<Session<Data>>;

  constructor(psession: Psession<Data>, open: () => Promise<Session<Data>>) {
    this.psession = psession;
    this.#open = open;
  }

  // biome-ignore lint/suspicious/noThenProperty: handlers await the object itself.
  then<A = Session<Data>, B = never>(
    onOpened?: ((session: Session<Data>) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#open().then(onOpened, onFailed);
  }
}

/** Without the `await`, `session.isSignedIn` would be undefined, and assignments would be lost: both throw instead. */
for (const name of [Session, SessionContent].flatMap((of) => Object.getOwnPropertyNames(of.prototype))) {
  if (name in LazySession.prototype) continue;
  const refuse = (): never => {
    throw new PsessionError(
      "session_not_open",
      `c.var.session.${name} was used before the session was open: const session = await c.var.session, then session.${name}.`,
    );
  };
  Object.defineProperty(LazySession.prototype, name, { configurable: true, get: refuse, set: refuse });
}
refuseAssignments(LazySession.prototype);
