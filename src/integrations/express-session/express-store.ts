import { EventEmitter } from "node:events";
import { call, callingBack } from "./call.ts";
import type { Any, Callback } from "./callback-store.ts";
import { Cookie, type CookieOptions } from "./cookie.ts";
import type { SessionOr } from "./foreign.ts";
import { Session } from "./session.ts";
import type { SessionData } from "./session-data.ts";

export abstract class ExpressStore extends EventEmitter {
  /** The middleware sets it: puts a new session into a request. */
  declare generate: (request: object) => void;

  abstract get(id: string, callback: (error: Any, session?: SessionData | null) => void): void;
  abstract set(id: string, session: SessionData, callback?: Callback): void;
  abstract destroy(id: string, callback?: Callback): void;
  all?(callback: (error: Any, sessions?: SessionData[] | Record<string, SessionData> | null) => void): void;
  length?(callback: (error: Any, length?: number) => void): void;
  clear?(callback?: Callback): void;
  touch?(id: string, session: SessionData, callback?: () => void): void;

  /** Ends a request's session and puts a new one in its place. */
  regenerate(request: object, callback: Callback): void {
    const { sessionID } = request as { sessionID: string };
    const ended = call((done) => this.destroy(sessionID, done));
    callingBack(
      ended.finally(() => this.generate(request)),
      callback,
    );
  }

  /** The session of this id, if it is stored. */
  load(id: string, callback: (error?: Any, session?: SessionOr<Session & SessionData>) => void): void {
    let session: SessionOr<Session & SessionData> | undefined;
    const loaded = call((done) =>
      this.get(id, (error, data) => {
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
  createSession(request: object, data: object): SessionOr<Session & SessionData> {
    const session = new Session(request, { ...data, cookie: storedCookie(data) });
    (request as { session?: Session }).session = session;
    return session as Session & SessionOr<Session & SessionData>;
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

class ExpressMemoryStore extends ExpressStore {
  declare sessions: Record<string, string>;

  constructor() {
    super();
    this.sessions = Object.create(null) as Record<string, string>;
  }

  get(id: string, callback: (error: Any, session?: SessionData | null) => void): void {
    setImmediate(callback, null, read(this.sessions, id));
  }

  set(id: string, session: SessionData, callback?: Callback): void {
    this.sessions[id] = JSON.stringify(session);
    if (callback) setImmediate(callback);
  }

  destroy(id: string, callback?: Callback): void {
    delete this.sessions[id];
    if (callback) setImmediate(callback);
  }

  override touch(id: string, session: SessionData, callback?: Callback): void {
    const stored = read(this.sessions, id);
    if (stored !== undefined) {
      this.sessions[id] = JSON.stringify({ ...stored, cookie: session.cookie });
    }
    if (callback) setImmediate(callback);
  }

  override all(callback?: (error: Any, sessions?: Record<string, SessionData> | null) => void): void {
    const found = Object.create(null) as Record<string, SessionData>;
    for (const id of Object.keys(this.sessions)) {
      const session = read(this.sessions, id);
      if (session !== undefined) found[id] = session;
    }
    if (callback) setImmediate(callback, null, found);
  }

  override length(callback: (error: Any, length?: number) => void): void {
    this.all((error, sessions) => callback(error, Object.keys(sessions ?? {}).length));
  }

  override clear(callback?: Callback): void {
    this.sessions = Object.create(null) as Record<string, string>;
    if (callback) setImmediate(callback);
  }
}

/** Not a private method: objects made by `MemoryStore.call(this)` would not have it. */
function read(sessions: Record<string, string>, id: string): SessionData | undefined {
  const text = sessions[id];
  if (text === undefined) return undefined;
  const session = JSON.parse(text) as SessionData;
  const expires = session.cookie?.expires;
  if (!expires || new Date(expires).valueOf() > Date.now()) return session;
  delete sessions[id];
  return undefined;
}

/** Old stores call their base as a function (`Store.call(this)`), which a class would refuse. */
function callable<Class extends abstract new () => object>(
  target: Class,
  begin: (store: never) => void,
): Class {
  return new Proxy(target, {
    apply: (_target, self: unknown) => begin(self as never),
  });
}

const emitter = EventEmitter as unknown as { call(self: object): void };

/** The base of stores: an event emitter; "disconnect" and "connect" say whether it can be used. */
export const Store = callable(ExpressStore, (store: ExpressStore) => emitter.call(store));
export type Store = ExpressStore;

/** Keeps sessions in this process, for trying things out. */
export const MemoryStore = callable(ExpressMemoryStore, (store: ExpressMemoryStore) => {
  emitter.call(store);
  store.sessions = Object.create(null) as Record<string, string>;
});
export type MemoryStore = ExpressMemoryStore;
