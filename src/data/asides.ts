import { ASIDE } from "./codec.ts";

/** The secret of a session's CSRF tokens. */
export const CSRF = `${ASIDE}csrf`;

/** Since when it is open whether the browser of a sign-in was known; see `devices.detectNew`. */
export const UNSEEN_DEVICE = `${ASIDE}unseen-device`;
