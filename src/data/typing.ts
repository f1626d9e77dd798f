import type { RequiredSessionData } from "./required.ts";

/**
 * The application's session data, typed by declaration merging:
 * `declare module "psession" { interface SessionData { cart: string[] } }`.
 */
export interface SessionData extends RequiredSessionData {}
