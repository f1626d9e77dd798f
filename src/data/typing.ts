/**
 * The application's session data, typed by declaration merging:
 * `declare module "psession" { interface SessionData { cart: string[] } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: applications merge their keys into it.
export interface SessionData {}
