import { type Duration, parseDuration } from "../../duration.ts";
import { invalidOptions } from "../../faults.ts";
import { scopeOf } from "../../http/cookies.ts";
import { dangerouslyAllowInsecureHttp, type PsessionOptions } from "../../options.ts";
import { createPsession, Psession } from "../../psession.ts";
import { KeyRing } from "../../secrets.ts";
import type { Store as PsessionStore } from "../../stores/store.ts";
import { warn } from "../../warnings.ts";
import type { CookieOptions } from "./cookie.ts";
import { spelledCookie } from "./cookie-options.ts";
import type { SessionOptions, Settings } from "./options.ts";
import type { Secret } from "./signature.ts";

const DAY = 86_400_000;
/** What stores of express-session's kind keep a session that says nothing about it. */
const USUAL_IDLE = DAY;
/** Browsers keep no cookie longer (RFC 6265bis section 5.5). */
const LONGEST = 400 * DAY;
const MINUTE = 60_000;

/** The service over a psession store, from the options of express-session. */
export function psessionOf(settings: Settings, given: SessionOptions): Psession<object> {
  const { store } = settings;
  const faults: string[] = [];
  const require = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };
  const { cookie = {} } = given;
  require(typeof cookie ===
    "object", "cookie must be an object with a psession store, as it holds for all requests");
  const options: CookieOptions = typeof cookie === "object" && cookie !== null ? spelledCookie(cookie) : {};
  if (store instanceof Psession) {
    for (const name of ["absolute", "touchEvery", "noStore", "caching"] as const)
      require(given[name] === undefined, `${name} is an option of createPsession here`);
    if (faults.length > 0) throw invalidOptions("The session middleware", faults);
    return store;
  }

  const isProduction = process.env["NODE_ENV"] === "production";
  const isSecure = options.secure === "auto" ? isProduction : options.secure === true;
  const [first] = settings.secrets;
  require(first !== undefined &&
    isStrong(
      first,
    ), "secret must have at least 32 random bytes with a psession store (openssl rand -base64 32); put it before the old one, which goes on to verify old cookies with migrateFrom");
  require(isSecure ||
    !isProduction, 'cookie.secure must be true or "auto" in production, as whoever is on the way reads a cookie that travels over plain http');
  require(options.httpOnly === undefined ||
    options.httpOnly, "cookie.httpOnly cannot be false with a psession store: scripts do not get the cookie");
  require(options.path === undefined ||
    /^\/[!-:<-~]*$/.test(
      options.path ?? "",
    ), "cookie.path must start with / and hold no space with a psession store");
  if (faults.length > 0) throw invalidOptions("The session middleware", faults);

  const absolute = parseDuration(given.absolute) ?? LONGEST;
  const idle = Math.min(positive(options.maxAge) ?? USUAL_IDLE, absolute);
  const { sameSite } = options;
  return createPsession<object>({
    store: store as PsessionStore,
    keys: settings.secrets.filter(isStrong),
    caching: settings.caching,
    session: {
      idle,
      absolute,
      touchEvery: Math.max(1, Math.min(settings.touchEvery ?? MINUTE, Math.floor(idle / 2))) as Duration,
    },
    cookies: {
      session: settings.name,
      sameSite:
        sameSite === true ? "strict" : typeof sameSite === "string" && sameSite !== "auto" ? sameSite : "lax",
      noStore: settings.noStore,
      ...(options.path === undefined ? {} : { path: options.path }),
      // A leading dot has had no meaning since RFC 6265.
      ...(options.domain ? { domain: options.domain.replace(/^\./, "") } : {}),
      ...(options.partitioned ? { partitioned: true } : {}),
    },
    ...(isSecure ? {} : { [dangerouslyAllowInsecureHttp]: true as const }),
  } satisfies PsessionOptions);
}

/** What was put into the list of secrets since. Nobody is signed out by a list that no service could start with. */
export function exchangeKeys({ core: { settings } }: Psession<object>, secrets: readonly Secret[]): void {
  const [first, ...older] = secrets;
  if (first === undefined || !isStrong(first)) {
    return warn(
      "PSESSION_WEAK_SECRET",
      "The list of secrets was changed, and the first has not at least 32 random bytes: the keys stay as they were.",
    );
  }
  const { session, remember, device } = settings.cookies;
  settings.keys = new KeyRing([first, ...older.filter(isStrong)], {
    session: scopeOf(session),
    remember: scopeOf(remember),
    device: scopeOf(device),
  });
}

/** As psession demands of its keys. */
const isStrong = (secret: Secret): boolean =>
  Buffer.byteLength(secret) >= 32 && new Set<string | number>(secret).size >= 8;

const positive = (value: unknown): number | undefined =>
  typeof value === "number" && value > 0 ? Math.ceil(value) : undefined;
