/** Keys of a request's `session` and `sessionID`, and of whether a handler read or set one of them. */
const KEPT = { session: Symbol("psession.session"), sessionID: Symbol("psession.sessionID") } as const;
const LOOKED = Symbol("psession.looked");

type Name = keyof typeof KEPT;
interface Watched {
  [LOOKED]?: boolean;
  [kept: symbol]: unknown;
  session?: unknown;
  sessionID?: unknown;
}

/** The same for all requests, as the functions of a held response are. */
const WATCHING = { session: watching("session"), sessionID: watching("sessionID") } as const;

function watching(name: Name): PropertyDescriptor & ThisType<Watched> {
  return {
    configurable: true,
    enumerable: true,
    get() {
      this[LOOKED] = true;
      return this[KEPT[name]];
    },
    set(value: unknown) {
      this[LOOKED] = true;
      this[KEPT[name]] = value;
    },
  };
}

/**
 * Turns the two into accessors that note each use. Called before there is a session: V8 turns an object whose property
 * becomes an accessor into a slow one, and every later middleware reads the request.
 */
export function watch(request: object): void {
  const watched = request as Watched;
  watched[KEPT.session] = watched.session;
  watched[KEPT.sessionID] = watched.sessionID;
  Object.defineProperty(request, "session", WATCHING.session);
  Object.defineProperty(request, "sessionID", WATCHING.sessionID);
}

/** From here on, uses of the request's session are noted. */
export function beginWatching(request: object): void {
  (request as Watched)[LOOKED] = false;
}

/** There is no session after all: restores the request. */
export function unwatch(request: object): void {
  const watched = request as Watched;
  for (const name of ["session", "sessionID"] as const) {
    const value = watched[KEPT[name]];
    if (!Reflect.deleteProperty(request, name) || value === undefined) continue;
    watched[name] = value;
  }
}

/** A session that the handler removed counts as looked at. */
export const wasLookedAt = (request: object): boolean =>
  (request as Watched)[LOOKED] !== false || !Object.hasOwn(request, "session");

/** The session of a request, without noting a use. */
export function sessionIn(request: object): unknown {
  const { [LOOKED]: looked } = request as Watched;
  const { session } = request as Watched;
  if (looked !== undefined) (request as Watched)[LOOKED] = looked;
  return session;
}
