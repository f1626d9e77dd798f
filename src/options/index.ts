import * as v from "valibot";
import { AUDIT_KEEP, AUDITED, isAuditable } from "../account/audit.ts";
import { bytesOfKey } from "../protocol/bytes.ts";
import { type Clock, systemClock } from "../protocol/clock.ts";
import { type Codec, jsonCodec } from "../data/codec.ts";
import { Vault } from "../data/vault.ts";
import { type Duration, parseDuration } from "../checks/duration.ts";
import type { EventName } from "../events.ts";
import { checkedOptions, invalidOptions } from "../checks/faults.ts";
import { type CookieDefinition, MAX_AGE_LIMIT_SECONDS, scopeOf } from "../http/cookies.ts";
import type { PlaceLookup } from "../account/places.ts";
import { PRESET_NAMES, type PresetName, presetFaults, withPreset } from "./presets.ts";
import { type ProtocolTimes, protocolTimes } from "../protocol/times.ts";
import type { Prefixes } from "../request/binding.ts";
import { KeyRing, realmCode } from "../protocol/secrets.ts";
import { hasMethods } from "../checks/shape.ts";
import type { AuditSink } from "../stores/audit.ts";
import { RealmStore } from "../stores/realm.ts";
import { SealedStore } from "../stores/sealed.ts";
import type { Store } from "../stores/store.ts";
import { TracedStore } from "../stores/traced.ts";

/**
 * Danger. As an option's key it makes cookies that travel over plain http, where everybody on the way can
 * read them: for http://localhost while developing. Refused where NODE_ENV is "production", and a warning elsewhere.
 */
export const dangerouslyAllowInsecureHttp: unique symbol = Symbol("psession.dangerouslyAllowInsecureHttp");

/**
 * A list of secrets, or a text with commas between them, as a variable of the environment has. One that is undefined, as
 * a variable is that was not set, is refused when it is given.
 */
export type Secrets = string | undefined | readonly (string | Uint8Array | undefined)[];

/** What `createPsession` takes. Durations are milliseconds or text such as "30d"; docs/options.md has every default. */
export interface PsessionOptions {
  /**
   * Limits of NIST SP 800-63B-4 for an assurance level: they are the defaults, and what goes beyond them is refused.
   * `aal2` and `aal3` know no remembered logins.
   */
  preset?: PresetName | undefined;
  /** Where sessions are kept. */
  store: Store;
  /** Secrets of at least 32 bytes: the first signs, all verify. Put a new one in front to rotate. */
  keys: Secrets;
  /** Whose instance this is, such as "staff", where instances for several kinds of users share a store or keys. */
  realm?: string | undefined;
  session?:
    | {
        /** A session ends this long after its last use. */
        idle?: Duration | undefined;
        /** A session ends this long after the sign-in, whatever its use. */
        absolute?: Duration | undefined;
        /** How often, at most, a session that is only read is marked as used. */
        touchEvery?: Duration | undefined;
        /** Exchange the secret of a session of this age; false never does. */
        rotateEvery?: Duration | false | undefined;
        /** The most bytes of encoded data that one session may hold. */
        maxBytes?: number | undefined;
        /** A session belongs to the address it came from, or to its network: so many leading bits of it. */
        matchAddress?: false | "exact" | { v4: number; v6: number } | undefined;
        /** A session belongs to the browser it came from: to its family, such as Firefox on Linux, or to the exact text. */
        bindUserAgent?: "off" | "family" | "exact" | undefined;
        /** Where one of the two does not hold: no session, or an event. */
        onMismatch?: "refuse" | "tell" | undefined;
        codec?: Codec | undefined;
      }
    | undefined;
  remember?:
    | {
        /** False: no remembered logins. The tick is ignored, and cookies of earlier ones are as if they had not come. */
        enabled?: boolean | undefined;
        /** A remembered login ends when its browser has not come for this long. */
        idle?: Duration | undefined;
        /** A remembered login ends this long after the sign-in, whatever its use. */
        absolute?: Duration | undefined;
        /** What a stolen token ends: this login, or everything the user has. */
        onTheft?: "login" | "user" | undefined;
        /** How long an ended login is still known as ended. */
        tombstone?: Duration | undefined;
      }
    | undefined;
  cookies?:
    | {
        /** Name of the session cookie. */
        session?: string | undefined;
        /** Name of the remember cookie. */
        remember?: string | undefined;
        /** Name of the cookie by which browsers are known, with `devices.tellNew`. */
        device?: string | undefined;
        sameSite?: "lax" | "strict" | "none" | undefined;
        path?: string | undefined;
        domain?: string | undefined;
        /** Keep cookies apart per embedding site (CHIPS); needs sameSite "none". */
        partitioned?: boolean | undefined;
        /** Send `Cache-Control: no-store` with every cookie. */
        noStore?: boolean | undefined;
      }
    | undefined;
  devices?:
    | {
        /**
         * The most devices that a user may have, at each sign-in. Left out: a thousand, and only now and then is somebody's
         * number looked at, so that nobody fills the store. False: as many as come.
         */
        most?: number | false | undefined;
        /** What a sign-in does that is one too many: end the device that was not used for longest, or fail. */
        overflow?: "endOldest" | "refuse" | undefined;
        /** Where an address is, for lists of devices; whatever it throws, or takes too long for, is left out. */
        place?: PlaceLookup | undefined;
        /**
         * Know browsers by a cookie that outlives sessions, and emit `newDevice` where a user signs in on one for the
         * first time.
         */
        tellNew?: boolean | undefined;
      }
    | undefined;
  /** Keeps what happens around accounts: sign-ins, thefts, revocations. On where the store has an audit trail. */
  audit?:
    | {
        /** Where entries go. */
        sink?: AuditSink | undefined;
        /** Which events make an entry. */
        events?: readonly EventName[] | undefined;
        /** How long entries are kept, where the sink can prune. */
        keep?: Duration | undefined;
      }
    | undefined;
  /**
   * Encrypts session data at rest with AES-256-GCM, bound to its row and user. Secrets of at least 32 bytes,
   * none of them used for anything else: the first encrypts, all decrypt.
   */
  encryption?:
    | {
        keys: Secrets;
        /** Read rows that are not encrypted, too, until they are saved: for switching encryption on. */
        acceptPlainText?: boolean | undefined;
      }
    | undefined;
  /** Deletes rows past their deadline from time to time; false leaves that to `psession.prune()`. */
  prune?:
    | false
    | {
        every?: Duration | undefined;
        /** Rows per statement. */
        chunk?: number | undefined;
      }
    | undefined;
  proxy?:
    | {
        /**
         * The header in which your proxy says when a request came, such as "x-request-start". Only behind one that
         * overwrites it: a visitor who can send it dates a stolen token back.
         */
        requestStart?: string | undefined;
      }
    | undefined;
  /**
   * What a visitor gets while the store cannot be read: an error (503), or an anonymous session that stores
   * nothing. Cookies are left alone either way.
   */
  whenUnavailable?: "refuse" | "anonymous" | undefined;
  /**
   * What caches are told of answers for which somebody looked at the session: that they depend on its cookie, and are
   * one visitor's; or nothing.
   */
  caching?: "protect" | "off" | undefined;
  clock?: Clock | undefined;
  [dangerouslyAllowInsecureHttp]?: boolean | undefined;
}

/** Checked options with every default filled in. */
export interface Settings {
  readonly store: Store;
  /** Exchanged where secrets are rotated without a new start. */
  keys: KeyRing;
  /** What the ids of this instance's rows end with. */
  readonly realm: string;
  /** What session data is encrypted with, unless it is not. */
  readonly vault: Vault | undefined;
  readonly clock: Clock;
  /** False where the application has a clock of its own, which need not agree with any other. */
  readonly isSystemClock: boolean;
  readonly times: ProtocolTimes;
  readonly codec: Codec;
  readonly session: {
    readonly idle: number;
    readonly absolute: number;
    readonly touchEvery: number;
    readonly rotateEvery: number | undefined;
    readonly maxBytes: number;
    readonly matchAddress: Prefixes | undefined;
    readonly bindUserAgent: "off" | "family" | "exact";
    readonly onMismatch: "refuse" | "tell";
    /** Sessions have lives of their own, which `idle` does not limit; see `SessionLife`. */
    livesVary: boolean;
  };
  readonly remember: {
    readonly enabled: boolean;
    readonly idle: number;
    readonly absolute: number;
    readonly onTheft: "login" | "user";
    readonly tombstone: number;
  };
  readonly cookies: {
    readonly session: CookieDefinition;
    readonly remember: CookieDefinition;
    readonly device: CookieDefinition;
    readonly noStore: boolean;
  };
  readonly devices: {
    readonly most: number | undefined;
    /** Where no limit was given: the one that is looked at now and then. */
    readonly safety: number | undefined;
    readonly overflow: "endOldest" | "refuse";
    readonly place: PlaceLookup | undefined;
    readonly tellNew: boolean;
  };
  readonly audit:
    | { readonly sink: AuditSink; readonly events: readonly EventName[]; readonly keep: number }
    | undefined;
  readonly proxy: {
    /** In lower case. */
    readonly requestStart: string | undefined;
  };
  readonly whenUnavailable: "refuse" | "anonymous";
  readonly caching: "protect" | "off";
  readonly prune: { readonly every: number; readonly chunk: number } | undefined;
}

const DAY = 86_400_000;
/** Node's timers go no further. */
const LONGEST_TIMER = 24 * DAY;
const SHORTEST_KEY_BYTES = 32;
/** Devices that no user has by using them. */
const SAFETY = 1000;
const STORE_METHODS = [
  "findSession",
  "findRemembered",
  "apply",
  "touch",
  "end",
  "nameDevice",
  "list",
  "prune",
  "claimPrune",
  "acquireLock",
  "releaseLock",
  "close",
] as const;

/** Times that follow from it are whole numbers of milliseconds, and dates, in every store. */
const LONGEST = 100 * 366 * DAY;

const duration = (fallback: Duration) =>
  v.optional(
    v.pipe(
      v.custom<Duration>(
        (value) => (parseDuration(value) ?? 0) > 0,
        'must be a positive duration, such as 60000 or "15m"',
      ),
      v.check((value) => (parseDuration(value) ?? 0) <= LONGEST, "must be at most a hundred years"),
      v.transform((value) => parseDuration(value) ?? 0),
    ),
    fallback,
  );

const cookieName = v.optional(
  v.pipe(
    v.string("must be text"),
    v.regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, "is not a cookie name (RFC 6265 section 4.1.1)"),
  ),
);

const countUpTo = (most: number) =>
  v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(1, "must be at least 1"),
    v.maxValue(most, `must be at most ${most}`),
  );

const count = (fallback: number, most: number) => v.optional(countUpTo(most), fallback);

const bits = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(8), v.maxValue(most));

const NO_SECRET =
  "is missing: 32 random bytes as text (npx psession keys generate). Is the variable of the environment set?";

/** What stands between the commas of a text; anything else as it is. */
export function listOfSecrets<T>(given: T): T | string[] {
  return typeof given === "string" ? given.split(",").map((secret) => secret.trim()) : given;
}

const isThere = (value: unknown): boolean => value !== undefined && value !== "";

const key = v.pipe(
  v.custom<string | Uint8Array>(isThere, NO_SECRET),
  v.union([v.string(), v.instance(Uint8Array)], "must be text or bytes"),
  v.check(
    (value) => Buffer.byteLength(value) >= SHORTEST_KEY_BYTES,
    `must have at least ${SHORTEST_KEY_BYTES} bytes`,
  ),
  v.check((value) => new Set<string | number>(value).size >= 8, "is too regular to be random"),
);

const keyList = v.optional(
  v.pipe(
    v.custom<Secrets>(isThere, NO_SECRET),
    v.transform(listOfSecrets),
    v.array(key, "must be a list of secrets, or text with commas between them"),
    v.minLength(1, "must hold at least one secret"),
  ),
  // Passed through the checks above, as what was given is.
  () => "",
);

const schema = v.strictObject({
  store: v.custom<Store>(isStore, ({ input }) => storeFault(input)),
  keys: keyList,
  realm: v.optional(
    v.pipe(
      v.string("must be text"),
      v.regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 letters, digits, dots, dashes and underscores"),
    ),
  ),
  session: v.optional(
    v.strictObject({
      idle: duration("2h"),
      absolute: duration("1d"),
      touchEvery: duration("1m"),
      rotateEvery: v.optional(
        v.union([v.literal(false), duration("1h")], "must be a positive duration or false"),
        false,
      ),
      maxBytes: count(65_536, 16 * 1024 * 1024),
      matchAddress: v.optional(
        v.union(
          [v.literal(false), v.literal("exact"), v.strictObject({ v4: bits(32), v6: bits(128) })],
          'must be false, "exact" or { v4, v6 } with numbers of bits',
        ),
        false,
      ),
      bindUserAgent: v.optional(
        v.picklist(["off", "family", "exact"], 'must be "off", "family" or "exact"'),
        "off",
      ),
      onMismatch: v.optional(v.picklist(["refuse", "tell"], 'must be "refuse" or "tell"'), "refuse"),
      codec: v.optional(
        v.custom<Codec>(
          (value) => hasMethods(value, ["encode", "decode"]),
          "must be a codec: an object with encode and decode",
        ),
        jsonCodec,
      ),
    }),
    {},
  ),
  preset: v.optional(v.picklist(PRESET_NAMES, 'must be "aal1", "aal2" or "aal3"')),
  remember: v.optional(
    v.strictObject({
      enabled: v.optional(v.boolean("must be true or false"), true),
      idle: duration("14d"),
      absolute: duration("30d"),
      onTheft: v.optional(v.picklist(["login", "user"], 'must be "login" or "user"'), "login"),
      tombstone: duration("1d"),
    }),
    {},
  ),
  cookies: v.optional(
    v.strictObject({
      session: cookieName,
      remember: cookieName,
      device: cookieName,
      sameSite: v.optional(v.picklist(["lax", "strict", "none"], 'must be "lax", "strict" or "none"'), "lax"),
      path: v.optional(
        v.pipe(
          v.string("must be text"),
          v.regex(/^\/[!-:<-~]*$/, "must start with / and hold no space or semicolon"),
        ),
        "/",
      ),
      domain: v.optional(
        v.pipe(
          v.string("must be text"),
          v.regex(
            /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i,
            "is not a domain name",
          ),
        ),
      ),
      partitioned: v.optional(v.boolean("must be true or false"), false),
      noStore: v.optional(v.boolean("must be true or false"), true),
    }),
    {},
  ),
  devices: v.optional(
    v.strictObject({
      most: v.optional(
        v.union([v.literal(false), countUpTo(100_000)], "must be a whole number from 1 to 100000, or false"),
        SAFETY,
      ),
      overflow: v.optional(
        v.picklist(["endOldest", "refuse"], 'must be "endOldest" or "refuse"'),
        "endOldest",
      ),
      place: v.optional(
        v.custom<PlaceLookup>((value) => typeof value === "function", "must be a function of an address"),
      ),
      tellNew: v.optional(v.boolean("must be true or false"), false),
    }),
    {},
  ),
  audit: v.optional(
    v.strictObject({
      sink: v.optional(
        v.custom<AuditSink>((value) => hasMethods(value, ["append"]), "must be an object with append()"),
      ),
      events: v.optional(
        v.array(v.custom<EventName>(isAuditable, "is no event that can be kept"), "must be a list of events"),
        [...AUDITED],
      ),
      keep: duration(AUDIT_KEEP),
    }),
    {},
  ),
  encryption: v.optional(
    v.strictObject({
      keys: keyList,
      acceptPlainText: v.optional(v.boolean("must be true or false"), false),
    }),
  ),
  prune: v.optional(
    v.union(
      [v.literal(false), v.strictObject({ every: duration("15m"), chunk: count(1000, 100_000) })],
      "must be false or { every, chunk }",
    ),
    {},
  ),
  proxy: v.optional(
    v.strictObject({
      requestStart: v.optional(
        v.pipe(
          v.string("must be text"),
          v.regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, "is not the name of a header (RFC 9110 section 5.1)"),
          v.toLowerCase(),
        ),
      ),
    }),
    {},
  ),
  caching: v.optional(v.picklist(["protect", "off"], 'must be "protect" or "off"'), "protect"),
  whenUnavailable: v.optional(
    v.picklist(["refuse", "anonymous"], 'must be "refuse" or "anonymous"'),
    "refuse",
  ),
  clock: v.optional(
    v.custom<Clock>((value) => hasMethods(value, ["now"]), "must be an object with now()"),
    systemClock,
  ),
});

/** Checks options and completes them. Throws `invalid_options` with everything that is wrong. */
export function resolveOptions(options: PsessionOptions): Settings {
  const given = checkedOptions("psession", schema, withPreset(options), () => [
    ...new Set([...Object.keys(schema.entries), ...optionDefaults().keys()]),
  ]);
  const { [dangerouslyAllowInsecureHttp]: insecure = false } = options;
  const faults: string[] = [];
  const require = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };

  const { session, remember, cookies, prune } = given;
  faults.push(...presetFaults(given.preset, { session, remember }));
  const rotateEvery = session.rotateEvery === false ? undefined : session.rotateEvery;
  require(session.idle <= session.absolute, "session.idle must not be longer than session.absolute");
  require(session.touchEvery * 2 <= session.idle, "session.touchEvery must be at most half of session.idle");
  require(rotateEvery === undefined ||
    rotateEvery >= protocolTimes.settle, `session.rotateEvery must be at least ${protocolTimes.settle} ms`);
  require(remember.idle <= remember.absolute, "remember.idle must not be longer than remember.absolute");
  require(remember.absolute <=
    MAX_AGE_LIMIT_SECONDS *
      1000, "remember.absolute must be at most 400 days, as browsers keep no cookie longer");
  require(remember.tombstone >=
    10 * protocolTimes.settle, `remember.tombstone must be at least ${10 * protocolTimes.settle} ms`);
  require(remember.tombstone <= 366 * DAY, "remember.tombstone must be at most a year");
  require(prune === false || prune.every <= LONGEST_TIMER, "prune.every must be at most 24 days");
  require(typeof insecure === "boolean", "dangerouslyAllowInsecureHttp must be true or false");
  require(!insecure ||
    process.env["NODE_ENV"] !== "production", "dangerouslyAllowInsecureHttp is refused in production");
  require(!(insecure && cookies.sameSite === "none"), 'cookies.sameSite "none" needs https');
  require(!cookies.partitioned ||
    cookies.sameSite === "none", 'cookies.partitioned needs cookies.sameSite "none"');
  require(cookies.sameSite !== "none" ||
    cookies.partitioned, 'cookies.sameSite "none" needs cookies.partitioned, or any site may use the session');

  const prefix = insecure
    ? ""
    : cookies.domain === undefined && cookies.path === "/"
      ? "__Host-"
      : "__Secure-";
  const define = (name: string): CookieDefinition => ({
    name,
    path: cookies.path,
    domain: cookies.domain,
    secure: !insecure,
    sameSite: cookies.sameSite,
    partitioned: cookies.partitioned,
  });
  const definitions = {
    session: define(cookies.session ?? `${prefix}psession`),
    remember: define(cookies.remember ?? `${prefix}psession-remember`),
    device: define(cookies.device ?? `${prefix}psession-device`),
  };
  const taken = new Map<string, string>();
  for (const [option, { name, path, domain, secure }] of Object.entries(definitions)) {
    require(!taken.has(name), `cookies.${taken.get(name)} and cookies.${option} must differ`);
    taken.set(name, option);
    const lower = name.toLowerCase();
    const isHost = lower.startsWith("__host-");
    require(!isHost ||
      (secure &&
        path === "/" &&
        domain === undefined), `cookies.${option}: a __Host- cookie needs https, path "/" and no domain`);
    require(!lower.startsWith("__secure-") || secure, `cookies.${option}: a __Secure- cookie needs https`);
    require(isHost === name.startsWith("__Host-"), `cookies.${option}: write the prefix as __Host-`);
  }
  const sink = given.audit.sink ?? given.store.audit;
  require(options.audit === undefined ||
    sink !== undefined, "audit.sink is needed, as the store keeps no audit trail (its option audit)");
  const { encryption } = given;
  const isShared = encryption?.keys.some((secret) => given.keys.some((other) => sameKey(secret, other)));
  require(isShared !==
    true, "encryption.keys and keys must have nothing in common: who has one must not have the other");
  if (faults.length > 0) throw invalidOptions("psession", faults);
  const vault = encryption && new Vault(encryption.keys, encryption.acceptPlainText);
  const traced = new TracedStore(given.store);
  const sealed = vault === undefined ? traced : new SealedStore(traced, vault);
  const realm = realmCode(given.realm ?? "");
  const { most } = given.devices;
  const isGiven = options.devices?.most !== undefined;

  return {
    store: new RealmStore(sealed, realm),
    vault,
    realm,
    keys: new KeyRing(given.keys as [string | Uint8Array], {
      session: scopeOf(definitions.session, given.realm),
      remember: scopeOf(definitions.remember, given.realm),
      device: scopeOf(definitions.device, given.realm),
    }),
    // Stores keep whole milliseconds.
    clock: given.clock === systemClock ? systemClock : { now: () => Math.trunc(given.clock.now()) },
    isSystemClock: given.clock === systemClock,
    times: protocolTimes,
    codec: session.codec,
    session: { ...session, rotateEvery, matchAddress: prefixesOf(session.matchAddress), livesVary: false },
    remember,
    cookies: { ...definitions, noStore: cookies.noStore },
    devices: {
      ...given.devices,
      most: isGiven && most !== false ? most : undefined,
      safety: isGiven || most === false ? undefined : most,
      place: given.devices.place,
    },
    audit: sink && { ...given.audit, sink },
    proxy: { requestStart: given.proxy.requestStart },
    whenUnavailable: given.whenUnavailable,
    caching: given.caching,
    prune: prune === false ? undefined : prune,
  };
}

/**
 * Every option by its path, with the default that the code fills in; undefined where there is none or where it
 * is no plain value. For the check that the documentation says the same.
 *
 * @internal
 */
export function optionDefaults(): Map<string, string | undefined> {
  const found = new Map<string, string | undefined>();
  const visit = (entries: Record<string, unknown>, path: string) => {
    for (const [name, entry] of Object.entries(entries)) {
      const { wrapped, default: fallback } = entry as { wrapped?: Nested; default?: unknown };
      const inner = nestedIn(wrapped);
      const isPlain = ["string", "number", "boolean"].includes(typeof fallback);
      if (inner === undefined) found.set(path + name, isPlain ? JSON.stringify(fallback) : undefined);
      else visit(inner, `${path}${name}.`);
    }
  };
  visit(schema.entries, "");
  return found;
}

interface Nested {
  readonly entries?: Record<string, unknown>;
  readonly options?: readonly Nested[];
}

/** The entries of an object, or of the alternative that is one. */
function nestedIn(wrapped: Nested | undefined): Record<string, unknown> | undefined {
  if (wrapped?.entries !== undefined) return wrapped.entries;
  const alternatives = Array.isArray(wrapped?.options) ? (wrapped.options as readonly Nested[]) : [];
  return alternatives.map((option) => option.entries).find((entries) => entries !== undefined);
}

function prefixesOf(match: false | "exact" | Prefixes): Prefixes | undefined {
  if (match === false) return undefined;
  return match === "exact" ? { v4: 32, v6: 128 } : match;
}

const sameKey = (a: string | Uint8Array, b: string | Uint8Array): boolean =>
  Buffer.compare(bytesOfKey(a), bytesOfKey(b)) === 0;

/** @internal */
export function isStore(value: unknown): value is Store {
  return hasMethods(value, STORE_METHODS);
}

/** The contract, for whoever wrote the store or wants to. */
const STORE_INTERFACE =
  "the interface is Store of psession/store, and storeContract of psession/testing holds a store to it (docs/stores/your-own.md)";

/** What is wrong with something that is no store of ours: many have one of another library's already. */
function storeFault(value: unknown): string {
  if (hasMethods(value, ["get", "set"])) {
    return (
      "has get and set, as stores of other session libraries have: there is no conditional write in it, so a request " +
      "under way would bring back a session that was ended, and parallel ones would overwrite each other. Take a store " +
      `of psession's, or write one over your database: ${STORE_INTERFACE}`
    );
  }
  const missing = STORE_METHODS.filter((name) => !hasMethods(value, [name]));
  if (missing.length < STORE_METHODS.length) return `has no ${missing.join(", ")}: ${STORE_INTERFACE}`;
  return "must be a store, such as memoryStore() or sqliteStore({ path })";
}
