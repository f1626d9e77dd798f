import { EventEmitter } from "node:events";
import { call, callingBack } from "./call.ts";
import { Cookie, type CookieOptions } from "./cookie.ts";
import { Session } from "./session.ts";

// biome-ignore lint/suspicious/noExplicitAny: stores type their errors as they like.
export type Callback = (error?: any) => void;

/** What is asked of a store that an application has: three methods with callbacks. */
export interface CallbackStore {
  // biome-ignore lint/suspicious/noExplicitAny: stores type what they hold as they like.
  get(id: string, callback: (error: any, session?: any) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  set(id: string, session: any, callback?: Callback): void;
  destroy(id: string, callback?: Callback): void;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  touch?(id: string, session: any, callback?: any): void;
  // biome-ignore lint/suspicious/noExplicitAny: an event emitter's, where it is one.
  on?(event: any, listener: any): unknown;
}

export class StoreClass extends EventEmitter {
  /** Set by the middleware: puts a new session into a request. */
  declare generate: (request: object) => void;

  /** Ends a request's session and puts a new one in its place. */
  regenerate(request: object, callback: Callback): void {
    const { sessionID } = request as { sessionID: string };
    const store = this as unknown as CallbackStore;
    const ended = call((done) => store.destroy(sessionID, done));
    callingBack(
      ended.finally(() => this.generate(request)),
      callback,
    );
  }

  /** The session of this id, if it is stored. */
  // biome-ignore lint/suspicious/noExplicitAny: stores type their errors as they like.
  load(id: string, callback: (error?: any, session?: Session) => void): void {
    const store = this as unknown as CallbackStore;
    let session: Session | undefined;
    const loaded = call((done) =>
      store.get(id, (error, data) => {
        if (!error && data) session = this.createSession({ sessionID: id, sessionStore: this }, data);
        done(error);
      }),
    );
    callingBack(loaded, (error) => {
      if (error) callback(error);
      else if (session === undefined) callback();
      else callback(null, session);
    });
  }

  /** Makes a session of stored data and puts it into a request. */
  createSession(request: object, data: object): Session {
    const session = new Session(request, { ...data, cookie: storedCookie(data) });
    (request as { session?: Session }).session = session;
    return session;
  }
}

/** The cookie of stored data, with its dates as dates. */
export function storedCookie(data: object, fallback: () => Cookie = () => new Cookie()): Cookie {
  const given = (data as { cookie?: CookieOptions }).cookie;
  if (given === undefined || given === null) return fallback();
  const { expires, originalMaxAge = null } = given;
  const cookie = new Cookie(given);
  if (typeof expires === "string") cookie.expires = new Date(expires);
  cookie.originalMaxAge = originalMaxAge;
  return cookie;
}

class MemoryStoreClass extends StoreClass {
  declare sessions: Record<string, string>;

  constructor() {
    super();
    this.sessions = Object.create(null) as Record<string, string>;
  }

  get(id: string, callback: (error: unknown, session?: object) => void): void {
    setImmediate(callback, null, read(this.sessions, id));
  }

  set(id: string, session: object, callback?: Callback): void {
    this.sessions[id] = JSON.stringify(session);
    if (callback) setImmediate(callback);
  }

  destroy(id: string, callback?: Callback): void {
    delete this.sessions[id];
    if (callback) setImmediate(callback);
  }

  touch(id: string, session: object, callback?: Callback): void {
    const stored = read(this.sessions, id);
    if (stored !== undefined) {
      const { cookie } = session as { cookie: unknown };
      this.sessions[id] = JSON.stringify({ ...stored, cookie });
    }
    if (callback) setImmediate(callback);
  }

  all(callback?: (error: unknown, sessions: Record<string, object>) => void): void {
    const found = Object.create(null) as Record<string, object>;
    for (const id of Object.keys(this.sessions)) {
      const session = read(this.sessions, id);
      if (session !== undefined) found[id] = session;
    }
    if (callback) setImmediate(callback, null, found);
  }

  length(callback: (error: unknown, length: number) => void): void {
    this.all((error, sessions) => callback(error, Object.keys(sessions).length));
  }

  clear(callback?: Callback): void {
    this.sessions = Object.create(null) as Record<string, string>;
    if (callback) setImmediate(callback);
  }
}

/** No private method: what was made by `MemoryStore.call(this)` would not have it. */
function read(sessions: Record<string, string>, id: string): object | undefined {
  const text = sessions[id];
  if (text === undefined) return undefined;
  const session = JSON.parse(text) as { cookie?: { expires?: string } };
  const expires = session.cookie?.expires;
  if (!expires || new Date(expires).valueOf() > Date.now()) return session;
  delete sessions[id];
  return undefined;
}

/** Old stores call their base as a function (`Store.call(this)`), which a class would refuse. */
function callable<Class extends new () => object>(target: Class, begin: (store: never) => void): Class {
  return new Proxy(target, {
    apply: (_target, self: unknown) => begin(self as never),
  });
}

const emitter = EventEmitter as unknown as { call(self: object): void };

/** The base of stores: an event emitter; "disconnect" and "connect" say whether it can be used. */
export const Store = callable(StoreClass, (store: StoreClass) => emitter.call(store));
export type Store = StoreClass;

/** Keeps sessions in this process, for trying things out. */
export const MemoryStore = callable(MemoryStoreClass, (store: MemoryStoreClass) => {
  emitter.call(store);
  store.sessions = Object.create(null) as Record<string, string>;
});
export type MemoryStore = MemoryStoreClass;
