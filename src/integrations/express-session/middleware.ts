import type { ServerResponse } from "node:http";
import { PsessionError } from "../../errors.ts";
import type { Settlement } from "../../http/settlement.ts";
import { Psession } from "../../psession.ts";
import { runInRequest } from "../../request/context.ts";
import { warn } from "../../telemetry/warnings.ts";
import { momentOf } from "../node/arrivals.ts";
import { canHold } from "../node/held.ts";
import { settleBeforeHead } from "../node/response.ts";
import { AppStoreKeeper } from "./app-store-keeper.ts";
import type { Keeper } from "./keeper.ts";
import { isPsessionStore, resolveSessionOptions, type SessionOptions, type Settings } from "./options.ts";
import { PsessionKeeper } from "./psession-keeper.ts";
import { pathOf, type SessionRequest } from "./request.ts";
import { MemoryStore } from "./store.ts";
import { beginVisit, type Visit } from "./visit.ts";
import { beginWatching, sessionIn, unwatch, wasLookedAt, watch } from "./watch.ts";

export type Next = (error?: unknown) => void;
/** For Express and Connect; `io.engine.use` of socket.io takes it as well. */
export type SessionMiddleware = (request: SessionRequest, response: ServerResponse, next: Next) => void;

/** Gives every request its `req.session`, and holds the response back until that is saved. */
export function createMiddleware(options: SessionOptions): SessionMiddleware {
  const settings = resolveSessionOptions(options);
  const keeper = keeperOf(settings, options);
  const warnIfUnsaved = unsavedWarner();
  return function session(request, response, next) {
    if (sessionIn(request)) return next();
    const hold = holderOf(request, response);
    let isWatched = false;
    const refuse = (error: unknown) => {
      if (isWatched) unwatch(request);
      const isOutage = error instanceof PsessionError && error.code === "store_unavailable";
      next(isOutage && settings.whenUnavailable === "withoutSession" ? undefined : error);
    };
    const begin = (visit: Visit) => {
      beginVisit(request, visit);
      if (hold === undefined) setImmediate(warnIfUnsaved, visit);
      else {
        if (isWatched) beginWatching(request);
        hold((can) => settled(request, visit, can), next);
      }
      if (visit.psession === undefined) next();
      else runInRequest(momentOf(request), next);
    };
    let visit: Visit | Promise<Visit>;
    try {
      if (!pathOf(request).startsWith(settings.cookie(request).path || "/")) return next();
      keeper.assertReady(request);
      isWatched = hold !== undefined && keeper.caching === "protect";
      if (isWatched) watch(request);
      request.sessionStore = keeper.sessionStore;
      visit = keeper.open(request, hold === undefined ? undefined : response);
    } catch (error) {
      return refuse(error);
    }
    if (visit instanceof Promise) visit.then(begin, refuse);
    else begin(visit);
  };
}

type Hold = (settle: (canSetCookies: boolean) => ReturnType<Visit["commit"]>, fail: Next) => void;

/** Who holds a response back, by what it is; undefined where nobody can. */
function holderOf(request: SessionRequest, response: ServerResponse): Hold | undefined {
  if (!canHold(request, response)) return undefined;
  return (settle, fail) => settleBeforeHead(response, settle, fail);
}

/** Silence here looks like a session that forgets. */
function unsavedWarner(): (visit: Visit) => void {
  let hasWarned = false;
  return (visit) => {
    if (hasWarned || !visit.isUnsaved) return;
    hasWarned = true;
    warn(
      "PSESSION_NOT_SAVED",
      "req.session was changed in a handshake, or with something that is no response: that is not saved by itself. Call " +
        "req.session.save(), which stores a session that existed; a new one cannot be stored, as no cookie can be set.",
    );
  };
}

/** The visit itself reads the data of every request, so that only what handlers asked for counts. */
function settled(
  request: SessionRequest,
  visit: Visit,
  canSetCookies: boolean,
): Settlement | Promise<Settlement> {
  const isLookedAt = canSetCookies && wasLookedAt(request);
  const settlement = visit.commit(canSetCookies);
  if (isLookedAt) return settlement;
  return settlement instanceof Promise ? settlement.then(untold) : untold(settlement);
}

const untold = ({ setCookie, noStore }: Settlement): Settlement => ({ setCookie, noStore });

function keeperOf(settings: Settings, options: SessionOptions): Keeper {
  const { store } = settings;
  const isPsession = store instanceof Psession || isPsessionStore(store);
  if (store instanceof MemoryStore && process.env["NODE_ENV"] === "production") {
    warn(
      "PSESSION_MEMORY_STORE",
      "Sessions are kept in this process's memory: they end with it, other processes do not see them, and nothing " +
        "ever deletes them. Give the session middleware a store.",
    );
  }
  return isPsession ? new PsessionKeeper(settings, options) : new AppStoreKeeper(settings);
}
