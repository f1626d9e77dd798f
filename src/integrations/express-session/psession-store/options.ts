import type { Duration } from "../../../checks/duration.ts";
import { invalidOptions } from "../../../checks/faults.ts";
import { PsessionError } from "../../../errors.ts";
import { type CookieDefinition, scopeOf } from "../../../http/cookies.ts";
import { dangerouslyAllowInsecureHttp, type PsessionOptions } from "../../../options/public.ts";
import { KeyRing } from "../../../protocol/secrets.ts";
import { createPsession, Psession } from "../../../psession.ts";
import type { Store as PsessionStore } from "../../../stores/store.ts";
import { warn } from "../../../telemetry/warnings.ts";
import { Cookie, type CookieOptions } from "../cookie.ts";
import { spelledCookie } from "../cookie-options.ts";
import type { SessionOptions, Settings } from "../options.ts";
import { materialOf, type Secret } from "../signature.ts";

const DAY = 86_400_000;
/** How long express-session's stores keep a session without a `maxAge`. */
const USUAL_IDLE = DAY;
/** Browsers keep no cookie longer (RFC 6265bis section 5.5). */
const LONGEST = 400 * DAY;
const MINUTE = 60_000;

/** The service over a psession store, from the options of express-session. */
export function psessionOf(settings: Settings, given: SessionOptions): Psession<object> {
  const { store } = settings;
  const faults: string[] = [];
  const { cookie = {} } = given;
  if (typeof cookie !== "object")
    faults.push("cookie must be an object with a psession store, as it holds for all requests");
  const options: CookieOptions = typeof cookie === "object" && cookie !== null ? spelledCookie(cookie) : {};
  if (store instanceof Psession) {
    for (const name of ["absolute", "touchEvery", "noStore", "caching"] as const)
      if (given[name] !== undefined) faults.push(`${name} is an option of createPsession here`);
    if (faults.length > 0) throw invalidOptions("The session middleware", faults);
    return store;
  }

  const isProduction = process.env["NODE_ENV"] === "production";
  const isSecure = options.secure === true || options.secure === "auto";
  const isAuto = options.secure === "auto" && !isProduction;
  const [first] = settings.secrets;
  if (first === undefined || !isStrong(first))
    faults.push(
      "secret must have at least 32 random bytes with a psession store (openssl rand -base64 32); put it before the old one, which goes on to verify old cookies with migrateFrom",
    );
  if (!isSecure && isProduction)
    faults.push(
      'cookie.secure must be true or "auto" in production, as anyone on the way can read a cookie sent over plain http',
    );
  if (options.httpOnly !== undefined && !options.httpOnly)
    faults.push("cookie.httpOnly cannot be false with a psession store: scripts do not get the cookie");
  if (options.path !== undefined && !/^\/[!-:<-~]*$/.test(options.path ?? ""))
    faults.push("cookie.path must start with / and hold no space with a psession store");
  const sameSite = options.sameSite === true ? "strict" : options.sameSite || "lax";
  if (sameSite === "none" && !isSecure)
    faults.push('cookie.sameSite "none" needs cookie.secure, as browsers drop the cookie otherwise');
  if (options.partitioned && sameSite !== "none")
    faults.push('cookie.partitioned needs cookie.sameSite "none"');
  if (faults.length > 0) throw invalidOptions("The session middleware", faults);

  const absolute = settings.absolute ?? LONGEST;
  const idle = Math.min(positive(new Cookie(options).originalMaxAge) ?? USUAL_IDLE, absolute);
  const isPartitioned = options.partitioned === true;
  const made = create({
    store: store as PsessionStore,
    keys: settings.secrets.filter(isStrong).map(materialOf),
    caching: settings.caching,
    session: {
      idle,
      absolute,
      touchEvery: Math.max(1, Math.min(settings.touchEvery ?? MINUTE, Math.floor(idle / 2))) as Duration,
    },
    cookies: {
      session: settings.name,
      sameSite: isPartitioned ? "none" : sameSite === "strict" ? sameSite : "lax",
      partitioned: isPartitioned,
      noStore: settings.noStore,
      ...(options.path === undefined ? {} : { path: options.path }),
      // A leading dot has had no meaning since RFC 6265.
      ...(options.domain ? { domain: options.domain.replace(/^\./, "") } : {}),
      // Over plain http the prefixes of the usual names mean that the cookie is dropped.
      ...(isAuto ? { remember: "psession-remember", device: "psession-device" } : {}),
    },
    ...(isSecure ? {} : { [dangerouslyAllowInsecureHttp]: true as const }),
  } satisfies PsessionOptions);
  asGiven(made, {
    ...(isAuto ? { secure: false } : {}),
    // "auto" as it is over https: of other sites' requests no cookie is missing then.
    ...(sameSite === "none" || sameSite === "auto" ? { sameSite: "none" } : {}),
  });
  return made;
}

/** What express-session allows and psession does not: cookies for other sites, and such as follow the connection. */
function asGiven(
  { core: { settings } }: Psession<object>,
  attributes: Partial<Pick<CookieDefinition, "secure" | "sameSite">>,
): void {
  if (Object.keys(attributes).length === 0) return;
  for (const name of ["session", "remember", "device", "trust", "acting", "bound"] as const)
    Object.assign(settings.cookies, { [name]: { ...settings.cookies[name], ...attributes } });
}

/** A Set-Cookie line for one request: "auto" follows its connection. */
export function lineFor(line: string, cookie: CookieOptions, secure: boolean): string {
  const secured =
    cookie.secure === "auto" && secure ? line.replace("; HttpOnly", "; HttpOnly; Secure") : line;
  return cookie.sameSite === "auto" && !secure
    ? secured.replace("; SameSite=None", "; SameSite=Lax")
    : secured;
}

/** The names of `createPsession`'s options, and those here. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^cookies\.session\b/, "name"],
  [/^cookies\./, "cookie."],
  [/^session\.idle\b/, "cookie.maxAge"],
  [/^session\./, ""],
  [/^keys\b/, "secret"],
];

function create(options: PsessionOptions): Psession<object> {
  try {
    return createPsession<object>(options);
  } catch (error) {
    if (!(error instanceof PsessionError) || error.code !== "invalid_options") throw error;
    const faults = error.message.split("\n- ").slice(1);
    throw invalidOptions(
      "The session middleware",
      faults.map((fault) => NAMES.reduce((text, [core, here]) => text.replace(core, here), fault)),
    );
  }
}

/** Takes the changed list of secrets. An invalid list is ignored, as it would sign every visitor out. */
export function exchangeKeys({ core: { settings } }: Psession<object>, secrets: readonly Secret[]): void {
  const [first, ...older] = secrets;
  if (first === undefined || !isStrong(first)) {
    return warn(
      "PSESSION_WEAK_SECRET",
      "The list of secrets was changed, and the first has not at least 32 random bytes: the keys stay as they were.",
    );
  }
  const { session, remember, device, trust, acting, bound } = settings.cookies;
  settings.keys = new KeyRing([materialOf(first), ...older.filter(isStrong).map(materialOf)], {
    session: scopeOf(session),
    remember: scopeOf(remember),
    device: scopeOf(device),
    trust: scopeOf(trust),
    acting: scopeOf(acting),
    bound: scopeOf(bound),
  });
}

/** The demands of psession's own keys. */
function isStrong(secret: Secret): boolean {
  const material = materialOf(secret);
  return Buffer.byteLength(material) >= 32 && new Set<string | number>(material).size >= 8;
}

const positive = (value: unknown): number | undefined =>
  typeof value === "number" && value > 0 ? Math.ceil(value) : undefined;
