import type { SessionData } from "../../data/typing.ts";
import type { GetSession } from "../../integration/fetch/lazy-exchange.ts";

/** What psession needs of SvelteKit's `RequestEvent`. */
export interface KitEvent {
  readonly request: Request;
  readonly locals: object;
  readonly platform?: unknown;
  readonly cookies: { set(name: string, value: string, options: KitCookie): void };
  readonly getClientAddress: () => string;
  readonly isDataRequest: boolean;
  readonly isSubRequest: boolean;
  readonly isRemoteRequest?: boolean;
}

/** The options of SvelteKit's `cookies.set`. */
export interface KitCookie {
  path: string;
  domain?: string;
  httpOnly: boolean;
  secure: boolean;
  sameSite?: "lax" | "strict" | "none";
  partitioned?: boolean;
  maxAge?: number;
  expires?: Date;
  encode: (value: string) => string;
}

/** Fits SvelteKit's `Handle`. */
export type KitHandle = (input: {
  event: KitEvent;
  // biome-ignore lint/suspicious/noExplicitAny: SvelteKit takes back the event that it gave, which has more than we know.
  resolve: (event: any) => Response | Promise<Response>;
}) => Promise<Response>;

/** What `sessions` adds to `event.locals`: `interface Locals extends SessionLocals {}` in src/app.d.ts. */
export interface SessionLocals<Data extends object = SessionData> {
  /** The visitor's session; the store is asked at the first call. */
  getSession: GetSession<Data>;
}
