import type { Cookie } from "./cookie.ts";
import type { RequiredSessionData } from "./required.ts";

/**
 * The application's session data, typed by declaration merging:
 * `declare module "psession/express-session" { interface SessionData { views: number } }`.
 */
export interface SessionData extends RequiredSessionData {
  cookie: Cookie;
}
