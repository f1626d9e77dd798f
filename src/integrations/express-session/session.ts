import { inspect } from "node:util";
import { PsessionError } from "../../errors.ts";
import { ask, call, callingBack } from "./call.ts";
import type { Callback, CallbackStore } from "./callback-store.ts";
import type { Cookie } from "./cookie.ts";
import { type OpenSession, openSessionOf } from "./open-session.ts";
import type { SessionRequest } from "./request.ts";

type Calls = Pick<OpenSession, "save" | "reload" | "destroy" | "regenerate" | "owe">;

/**
 * The visitor's session: data are its own properties. The methods take a callback and return the session. Without
 * a callback the response waits for them, and becomes an error if they fail; each has a form that gives a promise.
 */
export class Session {
  declare readonly id: string;
  declare readonly req: SessionRequest;
  declare cookie: Cookie;

  constructor(request: object, data?: object | null) {
    const { sessionID } = request as SessionRequest;
    Object.defineProperty(this, "req", { value: request });
    // Configurable: a sign-in exchanges the id of a session that the application keeps.
    Object.defineProperty(this, "id", { value: sessionID, configurable: true });
    fill(this, data);
  }

  /** Restarts the cookie's `maxAge`. */
  touch(): this {
    return this.resetMaxAge();
  }

  resetMaxAge(): this {
    this.cookie.maxAge = this.cookie.originalMaxAge;
    return this;
  }

  /** Stores the data now; the response does it anyway. */
  save(callback?: Callback): this {
    return this.#run((open) => open.save(this), callback);
  }

  /** Replaces the data by the stored ones, in a new `req.session`. */
  reload(callback?: Callback): this {
    return this.#run((open) => open.reload(this), callback);
  }

  /** Ends the session; `req.session` is gone. */
  destroy(callback?: Callback): this {
    return this.#run((open) => open.destroy(this), callback);
  }

  /** Ends the session and puts a new one at `req.session`; without a callback, at once. */
  regenerate(callback?: Callback): this {
    return this.#run((open) => open.regenerate(callback === undefined), callback);
  }

  async saveAsync(): Promise<void> {
    await this.#open.save(this);
  }

  async reloadAsync(): Promise<void> {
    await this.#open.reload(this);
  }

  async destroyAsync(): Promise<void> {
    await this.#open.destroy(this);
  }

  async regenerateAsync(): Promise<void> {
    await this.#open.regenerate(false);
  }

  /** The session of `store.load` belongs to no request: its methods call the store. */
  get #open(): Calls {
    return openSessionOf(this.req) ?? detached(this);
  }

  #run(work: (open: Calls) => Promise<void>, callback: Callback | undefined): this {
    const open = this.#open;
    const done = work(open);
    if (callback === undefined) open.owe(done);
    // Outside of the promise: an error of the callback must not look like a failed save.
    else callingBack(done, callback);
    return this;
  }

  /** Data only: neither the id, which is the cookie's value, nor the request belongs into a log. */
  [inspect.custom](): string {
    return `Session ${inspect({ ...this })}`;
  }
}

/** Leaves out data with the names of the session's own members, as it could not be reached. */
export function fill(session: Session, data: object | null | undefined): void {
  if (data === undefined || data === null) return;
  const from = data as Record<string, unknown>;
  const to = session as unknown as Record<string, unknown>;
  for (const name of Object.keys(from)) {
    if (!isFree(name)) continue;
    const value = from[name];
    // Defined only if the prototype has the name: that takes many times as long as an assignment.
    if (Object.hasOwn(to, name) || !(name in to)) to[name] = value;
    else Object.defineProperty(to, name, { value, writable: true, enumerable: true, configurable: true });
  }
}

/** The part of stored data that `fill` would take. */
export const dataOf = (stored: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(stored).filter(([name]) => isFree(name)));

const isFree = (name: string): boolean => !(name in Session.prototype) && name !== "id" && name !== "req";

function detached(session: Session): Calls {
  const { req } = session;
  const store = req.sessionStore as CallbackStore & {
    regenerate?(request: object, callback: Callback): void;
    createSession(request: object, data: object): Session;
  };
  return {
    save: () => call((callback) => store.set(session.id, session, callback)),
    destroy: () => call((callback) => store.destroy(session.id, callback)),
    regenerate: () =>
      call((callback) =>
        store.regenerate === undefined
          ? store.destroy(session.id, callback)
          : store.regenerate(req, callback),
      ),
    reload: async () => {
      const found = await ask<object | undefined>((done) => store.get(session.id, done));
      if (!found) throw gone();
      store.createSession(req, found);
    },
    owe: (work) => void work.catch(() => {}),
  };
}

export const gone = (): PsessionError =>
  new PsessionError("session_ended", "Failed to load the session: it is not stored any more.", {
    status: 409,
  });
