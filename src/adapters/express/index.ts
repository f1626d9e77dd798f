import type { IncomingMessage, ServerResponse } from "node:http";
import type { SessionData } from "../../data/typing.ts";
import type { Duration } from "../../duration.ts";
import { isSameOrigin, type OriginOptions } from "../../http/origin.ts";
import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";
import { openSession } from "../node/index.ts";

export type { ExpressRequestSession } from "./request-session.ts";

declare global {
  namespace Express {
    interface PsessionSessions {
      express: Session<SessionData>;
    }
  }
}

/** What we use of Express's request: both Express 4 and 5 have it, and no types of theirs are needed. */
interface ExpressRequest extends IncomingMessage {
  readonly secure?: boolean;
  readonly ip?: string | undefined;
  readonly protocol?: string;
  readonly hostname?: string;
  accepts?(...types: string[]): string | false;
}

type ExpressResponse = ServerResponse;
type Next = (error?: unknown) => void;
export type ExpressMiddleware = (request: ExpressRequest, response: ExpressResponse, next: Next) => void;

/**
 * Gives every request its `req.session`. What the proxy says is believed as far as Express is told to
 * (`app.set("trust proxy", …)`). A store that fails is an error for Express, with status 503.
 */
export function sessions<Data extends object = SessionData>(psession: Psession<Data>): ExpressMiddleware {
  return (request, response, next) => {
    const target = request as ExpressRequest & { session?: Session<Data> };
    if (target.session !== undefined) return next();
    const facts = {
      ...(request.secure === undefined ? {} : { secure: request.secure }),
      address: request.ip,
    };
    openSession(psession, request, response, { facts, onError: next }).then((session) => {
      target.session = session;
      next();
    }, next);
  };
}

export interface GuardOptions {
  /** Where browsers are sent that ask for a page. Default: they get the status, as scripts do. */
  redirectTo?: string;
}

/** Lets signed-in users through, remembered ones included. Others: the redirect, or 401. */
export function requireLogin(options: GuardOptions = {}): ExpressMiddleware {
  return guard((session) => session.isSignedIn, 401, "login_required", "Please sign in first.", options);
}

/**
 * Lets users through who proved a credential that recently; remembered visitors never did. Others: the
 * redirect, or 403 (401 where nobody is signed in).
 */
export function requireFresh(options: GuardOptions & { within: Duration }): ExpressMiddleware {
  const isFresh = (session: Session<SessionData>) => session.isFresh(options);
  return guard(isFresh, 403, "fresh_login_required", "Please confirm your password first.", options);
}

/** Refuses changes that another site sends in a visitor's name, with 403. Put it before all routes. */
export function originCheck(options: OriginOptions = {}): ExpressMiddleware {
  return (request, response, next) => {
    const header = (name: string) => request.headers[name];
    if (isSameOrigin({ method: request.method, header, origin: originOf(request) }, options)) return next();
    refuse(response, 403, "cross_site", "This request came from another site.");
  };
}

/** Scheme, host and port as the visitor sees them; a proxy's word counts as far as Express trusts it. */
function originOf({ protocol = "http", hostname, headers }: ExpressRequest): string {
  const { host = "" } = headers;
  const isForwarded = hostname !== undefined && host.replace(/:\d+$/, "") !== hostname;
  const forwarded = headers["x-forwarded-host"];
  const visible = isForwarded && typeof forwarded === "string" ? forwarded.split(",")[0]?.trim() : host;
  return `${protocol}://${visible}`;
}

function guard(
  holds: (session: Session<SessionData>) => boolean,
  status: number,
  code: string,
  message: string,
  { redirectTo }: GuardOptions,
): ExpressMiddleware {
  return (request, response, next) => {
    const { session } = request as ExpressRequest & { session?: Session<SessionData> };
    if (session === undefined) return next(new Error("This guard needs psession's middleware before it."));
    if (holds(session)) return next();
    if (redirectTo !== undefined && request.accepts?.("json", "html") === "html") {
      response.statusCode = 303;
      response.setHeader("Location", redirectTo);
      response.end();
    } else if (session.isSignedIn) {
      refuse(response, status, code, message);
    } else {
      refuse(response, 401, "login_required", "Please sign in first.");
    }
  };
}

function refuse(response: ExpressResponse, status: number, code: string, message: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.end(JSON.stringify({ error: { code, message } }));
}
