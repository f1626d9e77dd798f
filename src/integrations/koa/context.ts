import type { IncomingMessage, ServerResponse } from "node:http";
import type { SessionData } from "../../data/typing.ts";
import { isSecureScheme, originAt } from "../../http/scheme.ts";
import type { Answer } from "../../integration/answer.ts";
import { noSession } from "../../integration/no-session.ts";
import type { Session } from "../../session.ts";

/** What the middleware adds to a context; for `new Koa<State, SessionContext<MyData>>()` and routers alike. */
export interface SessionContext<Data extends object = SessionData> {
  /** The visitor's session, read at the first call; a request that never calls it costs no read. */
  openSession(): Promise<Session<Data>>;
  /**
   * The session once it is open, and always with `open: "always"`. Assigning null destroys it; an object replaces its
   * data, and leaves the user signed in.
   */
  get session(): Session<Data>;
  set session(value: Partial<Data> | null);
}

/** The properties used of Koa's context. */
export interface KoaContext {
  /** Koa makes each context from `app.context`. */
  readonly app?: { readonly context: object; readonly proxy?: boolean } | undefined;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly method: string;
  readonly originalUrl: string;
  readonly secure: boolean;
  readonly ip: string;
  /** From `X-Forwarded-For`, if the proxy is trusted. */
  readonly ips?: readonly string[] | undefined;
  readonly protocol: string;
  readonly host: string;
  status: number;
  body: unknown;
  set(name: string, value: string): void;
  onerror(error: Error): void;
}

/** Middleware of Koa. */
export type KoaMiddleware = (ctx: KoaContext, next: () => Promise<unknown>) => Promise<unknown>;

/** ctx.origin is the server's in Koa 2 and the sender's in Koa 3: compared to itself, it would allow anything. */
export const originOf = ({ protocol, host }: KoaContext): string => originAt(isSecureScheme(protocol), host);

export function openedIn(ctx: KoaContext): Promise<Session> {
  const { openSession } = ctx as KoaContext & Partial<SessionContext>;
  if (openSession === undefined) throw noSession("put app.use(sessions(psession))");
  return openSession();
}

export function send(ctx: KoaContext, { status, headers, body }: Answer): void {
  ctx.status = status;
  for (const [name, value] of Object.entries(headers)) ctx.set(name, value);
  ctx.body = body ?? "";
}
