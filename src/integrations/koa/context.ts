import type { IncomingMessage, ServerResponse } from "node:http";
import type { SessionData } from "../../data/typing.ts";
import { isSecureScheme, originAt } from "../../http/scheme.ts";
import type { Session } from "../../session.ts";

/** What the middleware adds to a context; for `new Koa<State, SessionContext<MyData>>()` and routers alike. */
export interface SessionContext<Data extends object = SessionData> {
  /** The visitor's session, read at the first call; a request that never calls costs no read. */
  openSession(): Promise<Session<Data>>;
  /**
   * The session once it is open, and always with `open: "always"`. Assigning null destroys it; an object takes the place
   * of its data, and changes nothing about who is signed in.
   */
  get session(): Session<Data>;
  set session(value: Partial<Data> | null);
}

/** What we use of Koa's context. */
export interface KoaContext {
  /** Koa's contexts are made from its `context`. */
  readonly app?: { readonly context: object; readonly proxy?: boolean } | undefined;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly method: string;
  readonly originalUrl: string;
  readonly secure: boolean;
  readonly ip: string;
  /** What the proxy says, where it is trusted; else none. */
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

/** ctx.origin is our own origin in Koa 2 and the sender's in Koa 3: compared to itself, it would allow anything. */
export const originOf = ({ protocol, host }: KoaContext): string => originAt(isSecureScheme(protocol), host);
