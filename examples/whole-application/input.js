import { ipKeyGenerator, rateLimit } from "express-rate-limit";
import { problemPage } from "./pages.js";

/** Whoever sends a form may send lists, or nothing. */
export const textOf = (value) => (typeof value === "string" ? value : "");

export const emailOf = (body) => textOf(body?.email).trim().toLowerCase();
export const isEmail = (email) => email.length <= 254 && /^[^\s@]+@[^\s@]+$/.test(email);

/** NIST SP 800-63B-4 wants 15 characters of a password that is all there is. */
export const isLongEnough = (password) => password.length >= 15;
export const TOO_SHORT = "Please take at least 15 characters.";

/** A path of this site. Browsers read "//evil.example" and "/\evil.example" as another one. */
export const ownPath = (path) => (/^\/(?![/\\])[!-~]*$/.test(textOf(path)) ? path : "/");

const QUARTER_HOUR = 15 * 60;

/** At most so many requests in a quarter of an hour that have the same key. */
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
