import type { ServerResponse } from "node:http";
import { PsessionError } from "../../errors.ts";
import type { Settlement } from "../../http/settlement.ts";
import { runInNodeRequest } from "../../integration/node/arrivals.ts";
import { canHold } from "../../integration/node/can-hold.ts";
import { settleBeforeHead } from "../../integration/node/held-response.ts";
import { Psession } from "../../psession.ts";
import { warn } from "../../telemetry/warnings.ts";
import type { Backend } from "./backend.ts";
import { MemoryStore } from "./express-store.ts";
import { type OpenSession, putOpenSession } from "./open-session.ts";
import { isPsessionStore, resolveSessionOptions, type SessionOptions, type Settings } from "./options.ts";
import { OwnStoreBackend } from "./own-store/index.ts";
import { PsessionStoreBackend } from "./psession-store/index.ts";
import { pathOf, type SessionRequest } from "./request.ts";
import { beginWatching, sessionIn, unwatch, wasLookedAt, watch } from "./watch.ts";

export type Next = (error?: unknown) => void;
/** For Express and Connect; `io.engine.use` of socket.io takes it as well. */
export type SessionMiddleware = (request: SessionRequest, response: ServerResponse, next: Next) => void;

/** Gives every request its `req.session`, and holds the response back until that is saved. */
export function createMiddleware(options: SessionOptions): SessionMiddleware {
  const settings = resolveSessionOptions(options);
  const backend = backendOf(settings, options);
  const warnIfUnsaved = unsavedWarner();
  return function session(request, response, next) {
    if (sessionIn(request)) return next();
    const isHeld = canHold(request, response);
    let isWatched = false;
    const refuse = (error: unknown) => {
      if (isWatched) unwatch(request);
      const isOutage = error instanceof PsessionError && error.code === "store_unavailable";
      next(isOutage && settings.whenUnavailable === "withoutSession" ? undefined : error);
    };
    const begin = (open: OpenSession) => {
      putOpenSession(request, open);
      if (!isHeld) setImmediate(warnIfUnsaved, open);
      else {
        if (isWatched) beginWatching(request);
        settleBeforeHead(response, (canSetCookies) => settled(request, open, canSetCookies), next);
      }
      const goOn = () => (open.psession === undefined ? next() : runInNodeRequest(request, next));
      const answered = isHeld ? backend.answers?.(request, response, open) : undefined;
      if (answered === undefined) goOn();
      else answered.then((isAnswered) => isAnswered || goOn(), next);
    };
    let open: OpenSession | Promise<OpenSession>;
    try {
      if (!pathOf(request).startsWith(settings.cookie(request).path || "/")) return next();
      backend.assertReady(request);
      isWatched = isHeld && backend.caching === "protect";
      if (isWatched) watch(request);
      request.sessionStore = backend.sessionStore;
      open = backend.open(request, isHeld ? response : undefined);
    } catch (error) {
      return refuse(error);
    }
    if (open instanceof Promise) open.then(begin, refuse);
    else begin(open);
  };
}

/** Without a warning, the session would seem to forget. */
function unsavedWarner(): (open: OpenSession) => void {
  let hasWarned = false;
  return (open) => {
    if (hasWarned || !open.isUnsaved) return;
    hasWarned = true;
    warn(
      "PSESSION_NOT_SAVED",
      "req.session was changed in a handshake, or with something that is no response: that is not saved by itself. Call " +
        "req.session.save(), which stores a session that existed; a new one cannot be stored, as no cookie can be set.",
    );
  };
}

/** Caching depends on whether the handler read the session. `commit` reads it too, so that is asked before. */
function settled(
  request: SessionRequest,
  open: OpenSession,
  canSetCookies: boolean,
): Settlement | Promise<Settlement> {
  const isLookedAt = canSetCookies && wasLookedAt(request);
  const settlement = open.commit(canSetCookies);
  if (isLookedAt) return settlement;
  return settlement instanceof Promise ? settlement.then(withoutCaching) : withoutCaching(settlement);
}

const withoutCaching = ({ caching: _, ...settlement }: Settlement): Settlement => settlement;

function backendOf(settings: Settings, options: SessionOptions): Backend {
  const { store } = settings;
  const isPsession = store instanceof Psession || isPsessionStore(store);
  if (store instanceof MemoryStore && process.env["NODE_ENV"] === "production") {
    warn(
      "PSESSION_MEMORY_STORE",
      "Sessions are kept in this process's memory: they end with it, other processes do not see them, and nothing " +
        "ever deletes them. Give the session middleware a store.",
    );
  }
  return isPsession ? new PsessionStoreBackend(settings, options) : new OwnStoreBackend(settings);
}
