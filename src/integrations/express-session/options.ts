import * as v from "valibot";
import { type Duration, isDuration, parseDuration } from "../../checks/duration.ts";
import { inMilliseconds, positiveDuration } from "../../checks/duration-options.ts";
import { checkedOptions, invalidOptions } from "../../checks/faults.ts";
import { hasMethods } from "../../checks/shape.ts";
import { PsessionError } from "../../errors.ts";
import { Psession } from "../../psession.ts";
import type { Store as PsessionStore } from "../../stores/store.ts";
import { STORE_TIMEOUT } from "./call.ts";
import type { CallbackStore } from "./callback-store.ts";
import type { CookieOptions } from "./cookie.ts";
import { cookieFaults, spelledCookie } from "./cookie-options.ts";
import { MemoryStore } from "./express-store.ts";
import { type UserOf, usualUser } from "./identity.ts";
import { newId } from "./ids.ts";
import type { SessionRequest } from "./request.ts";
import { isSecret, type Secret } from "./signature.ts";

/** A method type, so that the function may ask for a narrower request, such as Express's. */
type Asked<Answer> = { by(request: SessionRequest): Answer }["by"];

/** The options of `session()`: those of express-session, and psession's own below them. */
export interface SessionOptions {
  /** Signs the cookie. With several, the first signs, and all verify. */
  secret?: Secret | readonly (Secret | undefined)[] | undefined;
  /** Name of the cookie. Default: "connect.sid". */
  name?: string | undefined;
  /** The old spelling of `name`. */
  key?: string | undefined;
  /** A store of express-session's kind, a store of psession's, or a psession. Default: this process's memory. */
  // biome-ignore lint/suspicious/noExplicitAny: stores type their sessions as they like.
  store?: CallbackStore | PsessionStore | Psession<any> | undefined;
  genid?: Asked<string> | undefined;
  /** Store sessions at every request, changed or not. Default: true, as there. */
  resave?: boolean | undefined;
  /** Store new sessions that hold nothing. Default: true, as there. */
  saveUninitialized?: boolean | undefined;
  /** Send the cookie with every response. */
  rolling?: boolean | undefined;
  /** What `req.session = null` does to the stored session. Default: "keep". */
  unset?: "destroy" | "keep" | undefined;
  /** Trust `X-Forwarded-Proto`: always, never, or by Express's setting "trust proxy", the default. */
  proxy?: boolean | undefined;
  cookie?: CookieOptions | Asked<CookieOptions> | undefined;

  /** The signed-in user by the data. False: the data is not looked at, and a sign-in exchanges no id. */
  user?: UserOf | false | undefined;
  /** While the store fails: an error of status 503, or no `req.session`. Default: "refuse". */
  whenUnavailable?: "refuse" | "withoutSession" | undefined;
  /** How long to wait for your own store, `migrateFrom` included; false: for ever. Default: "10s". */
  storeTimeout?: Duration | false | undefined;
  /** How often, at most, a session that is only read is marked as used. Default: every request; "1m" with a psession store. */
  touchEvery?: Duration | undefined;
  /** Send `Cache-Control: no-store` with every cookie. Default: true. */
  noStore?: boolean | undefined;
  /** Mark answers whose handler read the session for caches: they depend on its cookie. Default: "protect". */
  caching?: "protect" | "off" | undefined;
  /** Let the store see a SHA-256 of ids only. For stores of express-session's kind, `migrateFrom` included. */
  hashIds?: boolean | undefined;
  /** The former store: its sessions are taken over when their browsers return. For psession stores. */
  migrateFrom?: CallbackStore | undefined;
  /** A session ends this long after the sign-in, even if in use. For psession stores. Default: "400d". */
  absolute?: Duration | undefined;
}

/** The options, completed. Times are in milliseconds. */
export type Settings = Readonly<ReturnType<typeof resolveSessionOptions>>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

export const isPsessionStore = (value: unknown): value is PsessionStore =>
  hasMethods(value, ["findSession", "findRemembered", "apply", "touch"]);

const isCallbackStore = (value: unknown): value is CallbackStore =>
  hasMethods(value, ["get", "set", "destroy"]);

const isFunction = (value: unknown): boolean => typeof value === "function";
const flag = (usual: boolean) => v.optional(v.boolean("must be true or false"), usual);
const duration = v.optional(v.pipe(positiveDuration(', such as 60000 or "15m"'), inMilliseconds));
const secret = v.custom<Secret>(isSecret, ({ input }) =>
  input === undefined
    ? "is missing: is its environment variable set?"
    : input === ""
      ? "must not be empty"
      : "must be text, bytes or a secret KeyObject",
);

const secretList = v.pipe(v.array(secret), v.minLength(1, "must hold at least one secret"));

const cookieName = (shape: RegExp) =>
  v.pipe(v.string("must be text"), v.regex(shape, "is not a cookie name (RFC 6265 section 4.1.1)"));

/** Node's timers go no further. */
const LONGEST_TIMER = 24 * 86_400_000;

const schema = v.object({
  secret: v.optional(
    // Not a union, which would not say which of a list is wrong.
    v.lazy((given): v.GenericSchema<Secret | Secret[]> => (Array.isArray(given) ? secretList : secret)),
  ),
  name: v.optional(cookieName(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/)),
  // express-session treats an empty name as none.
  key: v.optional(cookieName(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]*$/)),
  store: v.optional(
    v.custom<NonNullable<SessionOptions["store"]>>(
      (value) => isCallbackStore(value) || isPsessionStore(value) || value instanceof Psession,
      "must be a store with get, set and destroy, a psession store, or a psession",
    ),
  ),
  genid: v.optional(v.custom<Asked<string>>(isFunction, "must be a function")),
  resave: flag(true),
  saveUninitialized: flag(true),
  rolling: flag(false),
  unset: v.optional(v.picklist(["destroy", "keep"], 'must be "destroy" or "keep"'), "keep"),
  proxy: v.optional(v.boolean("must be true or false")),
  cookie: v.optional(
    v.pipe(
      v.custom<NonNullable<SessionOptions["cookie"]>>(
        (value) => isObject(value) || isFunction(value),
        "must be an object or a function that gives one",
      ),
      v.rawCheck(({ dataset, addIssue }) => {
        if (!dataset.typed || typeof dataset.value !== "object") return;
        const input = dataset.value as Record<string, unknown>;
        for (const [key, message] of cookieFaults(input)) {
          addIssue({ message, path: [{ type: "object", origin: "value", input, key, value: input[key] }] });
        }
      }),
    ),
  ),
  user: v.optional(
    v.custom<UserOf | false>((value) => value === false || isFunction(value), "must be a function or false"),
  ),
  whenUnavailable: v.optional(
    v.picklist(["refuse", "withoutSession"], 'must be "refuse" or "withoutSession"'),
    "refuse",
  ),
  storeTimeout: v.optional(
    v.custom<Duration | false>(
      (value) => value === false || isDuration(value, 1, LONGEST_TIMER),
      'must be a positive duration of at most 24 days, such as 5000 or "5s", or false',
    ),
  ),
  touchEvery: duration,
  noStore: flag(true),
  caching: v.optional(v.picklist(["protect", "off"], 'must be "protect" or "off"'), "protect"),
  hashIds: flag(false),
  migrateFrom: v.optional(
    v.custom<CallbackStore>(isCallbackStore, "must be a store with get, set and destroy"),
  ),
  absolute: duration,
});

/** Options for one of the two backends. */
const ONLY_WITH_PSESSION = ["migrateFrom", "absolute"] as const;
const ONLY_WITHOUT = ["hashIds", "storeTimeout", "genid"] as const;
/** These also apply to the store of `migrateFrom`, which may hold hashed ids, and never answer. */
const OF_FORMER: readonly string[] = ["hashIds", "storeTimeout"];

/** Checks options and completes them. Throws `invalid_options` with everything that is wrong. */
export function resolveSessionOptions(options: SessionOptions) {
  // express-session treats null as not given.
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));
  const checked = checkedOptions("The session middleware", schema, given);
  const { secret = [], store = new MemoryStore(), cookie = {}, ...rest } = checked;
  const isKept = isPsessionStore(store) || store instanceof Psession;
  const faults: string[] = (isKept ? ONLY_WITHOUT : ONLY_WITH_PSESSION)
    .filter((name) => checked[name] && !(OF_FORMER.includes(name) && rest.migrateFrom !== undefined))
    .map((name) => `${name} ${isKept ? "has no meaning with a psession store" : "needs a psession store"}`);
  const { touchEvery, user = usualUser, storeTimeout } = rest;
  const maxAge = typeof cookie === "object" ? cookie.maxAge : undefined;
  if (touchEvery !== undefined && typeof maxAge === "number" && touchEvery * 2 > maxAge)
    faults.push("touchEvery must be at most half of cookie.maxAge");
  if (faults.length > 0) throw invalidOptions("The session middleware", faults);
  return {
    ...rest,
    // The list itself: applications may change it in place to rotate secrets, as with express-session.
    secrets: (Array.isArray(given["secret"]) ? given["secret"] : [secret].flat()) as readonly Secret[],
    name: rest.name ?? (rest.key || "connect.sid"),
    store: store as CallbackStore | PsessionStore | Psession<object>,
    genid: rest.genid ?? newId,
    cookie:
      typeof cookie === "function"
        ? (request: SessionRequest) => givenCookie(cookie(request))
        : cookieOf(cookie),
    user: user === false ? () => undefined : user,
    storeTimeout: storeTimeout === false ? storeTimeout : (parseDuration(storeTimeout) ?? STORE_TIMEOUT),
  };
}

/** Checked at each request: applications may change the object after the start. */
function cookieOf(cookie: CookieOptions): () => CookieOptions {
  let seen: readonly unknown[] = [];
  let options: CookieOptions | undefined;
  return () => {
    const now = contentOf(cookie);
    if (
      options === undefined ||
      now.length !== seen.length ||
      now.some((one, index) => one !== seen[index])
    ) {
      options = givenCookie(cookie);
      seen = now;
    }
    return options;
  };
}

function contentOf(cookie: object): readonly unknown[] {
  const content: unknown[] = [];
  for (const name in cookie) {
    const value: unknown = Reflect.get(cookie, name);
    content.push(name, value instanceof Date ? value.valueOf() : value);
  }
  return content;
}

/** The option `cookie` for one request. */
function givenCookie(given: unknown): CookieOptions {
  const faults: (readonly [string, string])[] = isObject(given)
    ? cookieFaults(given).map(([name, fault]) => [`cookie.${name}`, fault])
    : [["cookie", "must give an object, where it is a function"]];
  if (faults.length === 0) return spelledCookie(given as object);
  throw new PsessionError(
    "invalid_options",
    `The session middleware cannot make a cookie: ${faults.map((fault) => fault.join(" ")).join("; ")}.`,
  );
}
