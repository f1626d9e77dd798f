import type { Cookie } from "./cookie.ts";

/** As in data/required.ts: the SessionData of what `require` gives, in its place in the build. */
export interface RequiredSessionData {
  cookie: Cookie;
}
