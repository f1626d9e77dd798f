import { type AskedFor, requireLogin } from "psession/express";
import { withNext } from "./input.ts";

/** The sign-in page, with the page to come back to and the reason why the visitor is signed out, if there is one to say. */
export const toSignIn = (path: string, { ended }: Pick<AskedFor, "ended">): string =>
  withNext("/login", path) + (ended === undefined ? "" : `&ended=${ended}`);

/** The guard of pages for users. */
export const signedIn = requireLogin({ redirectTo: toSignIn });
