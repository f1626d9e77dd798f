import { ipKeyGenerator, rateLimit } from "express-rate-limit";
import { problemPage } from "./pages.js";

/** A client may send lists, or nothing, as fields of a form. */
export const textOf = (value) => (typeof value === "string" ? value : "");

export const emailOf = (body) => textOf(body?.email).trim().toLowerCase();
export const isEmail = (email) => email.length <= 254 && /^[^\s@]+@[^\s@]+$/.test(email);

/** NIST SP 800-63B-4 requires 15 characters if the password is the only factor. */
export const isLongEnough = (password) => password.length >= 15;
export const TOO_SHORT = "Please take at least 15 characters.";

/** A path of this site. Browsers read "//evil.example" and "/\evil.example" as another one. */
export const ownPath = (path) => (/^\/(?![/\\])[!-~]*$/.test(textOf(path)) ? path : "/");

const QUARTER_HOUR = 15 * 60;

/** Limits requests with the same key in a quarter of an hour. */
export const limited = (limit, keyGenerator, options = {}) =>
  rateLimit({
    windowMs: QUARTER_HOUR * 1000,
    limit,
    keyGenerator,
    legacyHeaders: false,
    handler: (_request, response) =>
      response.status(429).set("Retry-After", String(QUARTER_HOUR)).send(problemPage(429)),
    ...options,
  });

export const byAddress = ({ ip }) => ipKeyGenerator(ip);
export const byEmail = ({ body }) => emailOf(body);
export const byUser = ({ session }) => String(session.userId);
