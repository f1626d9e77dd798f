import { isId } from "../../../checks/given.ts";
import { PsessionError } from "../../../errors.ts";
import { noSession } from "../../../integration/no-session.ts";
import { endOf, isSession } from "../../../protocol/rows.ts";
import type { Psession } from "../../../psession.ts";
import { callingBack } from "../call.ts";
import type { Callback } from "../callback-store.ts";
import type { Cookie } from "../cookie.ts";
import { ExpressStore } from "../express-store.ts";
import { openSessionOf } from "../open-session.ts";
import type { SessionData } from "../typing.ts";

/** `req.sessionStore` with a psession store: the same methods, by row ids, which are no credentials. */
export class PsessionFacade extends ExpressStore {
  readonly #psession: Psession<object>;
  readonly #newCookie: (request: object) => Cookie;

  constructor(psession: Psession<object>, newCookie: (request: object) => Cookie) {
    super();
    this.#psession = psession;
    this.#newCookie = newCookie;
    this.generate = (request) => openSessionOf(request)?.generate();
  }

  get(id: string, callback: (error: unknown, session?: SessionData) => void): void {
    const { store, clock, codec } = this.#psession.core.settings;
    // Ids of other stores may be of any length: the driver is not asked for those.
    const reading = isId(id) ? store.findSession(id) : Promise.resolve(undefined);
    const found = reading.then((row) => {
      const isLive = row !== undefined && isSession(row) && clock.now() <= endOf(row);
      const cookie = this.#newCookie({ headers: {} });
      // express-session's stores give the cookie as stored.
      const stored = isLive ? { ...codec.decode(row.data), cookie: cookie.toJSON() } : undefined;
      return stored as SessionData | undefined;
    });
    found.then(
      (session) => process.nextTick(callback, null, session),
      (error: unknown) => process.nextTick(callback, error),
    );
  }

  set(_id: string, _session: object, callback?: Callback): void {
    callback?.(
      new PsessionError(
        "store_conflict",
        "A psession store is written through req.session only: a write by row id would undo changes of other requests.",
      ),
    );
  }

  destroy(id: string, callback?: Callback): void {
    const ending = isId(id) ? this.#psession.revoke(id) : Promise.resolve(false);
    callingBack(ending, callback ?? (() => {}));
  }

  override regenerate(request: object, callback: Callback): void {
    const open = openSessionOf(request);
    if (open === undefined) return callback(noSession("put app.use(session(…))"));
    callingBack(open.regenerate(false), callback);
  }
}
