import * as v from "valibot";
import { type Duration, isDuration } from "../checks/duration.ts";
import { inMilliseconds, positiveDuration } from "../checks/duration-options.ts";
import { hasMethods } from "../checks/shape.ts";
import { type Codec, jsonCodec } from "../data/codec.ts";
import type { EventName } from "../events.ts";
import { type Clock, systemClock } from "../protocol/clock.ts";
import type { AuditSink } from "../stores/audit.ts";
import type { Store } from "../stores/store.ts";
import { AUDIT_KEEP, AUDITED, isAuditable } from "./audited.ts";
import { PRESET_NAMES } from "./presets.ts";
import type { DeviceLimit, PassiveRule, PlaceLookup } from "./public.ts";
import { secrets } from "./secrets.ts";
import { isStore, storeFault } from "./store.ts";

const DAY = 86_400_000;
/** More devices than any user really has. */
const SAFETY = 1000;

/** Times that follow from it are whole numbers of milliseconds, and dates, in every store. */
const LONGEST = 100 * 366 * DAY;

const duration = (fallback: Duration) =>
  v.optional(
    v.pipe(
      positiveDuration(', such as 60000 or "15m"'),
      v.check((value) => isDuration(value, 1, LONGEST), "must be at most a hundred years"),
      inMilliseconds,
    ),
    fallback,
  );

const flag = (fallback: boolean) => v.optional(v.boolean("must be true or false"), fallback);

const picked = <const Names extends readonly string[]>(names: Names) => {
  const quoted = names.map((name) => `"${name}"`);
  return v.picklist(names, `must be ${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`);
};

const oneOf = <const Names extends readonly string[]>(names: Names, fallback: NoInfer<Names[number]>) =>
  v.optional(picked(names), fallback);

const text = (shape: RegExp, message: string) => v.pipe(v.string("must be text"), v.regex(shape, message));

/** A token of HTTP (RFC 9110 section 5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const cookieName = v.optional(text(TOKEN, "is not a cookie name (RFC 6265 section 4.1.1)"));

const countUpTo = (most: number) =>
  v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(1, "must be at least 1"),
    v.maxValue(most, `must be at most ${most}`),
  );

const count = (fallback: number, most: number) => v.optional(countUpTo(most), fallback);

const bits = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(8), v.maxValue(most));

export const schema = v.strictObject({
  store: v.custom<Store>(isStore, ({ input }) => storeFault(input)),
  keys: secrets,
  realm: v.optional(
    text(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 letters, digits, dots, dashes and underscores"),
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
      bindUserAgent: oneOf(["off", "family", "exact"], "off"),
      onMismatch: oneOf(["refuse", "report"], "refuse"),
      isPassive: v.optional(
        v.custom<PassiveRule>((value) => typeof value === "function", "must be a function of a request"),
      ),
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
  preset: v.optional(picked(PRESET_NAMES)),
  remember: v.optional(
    v.strictObject({
      enabled: flag(true),
      idle: duration("14d"),
      absolute: duration("30d"),
      onTheft: oneOf(["login", "user"], "login"),
      tombstone: duration("1d"),
    }),
    {},
  ),
  cookies: v.optional(
    v.strictObject({
      session: cookieName,
      remember: cookieName,
      device: cookieName,
      trust: cookieName,
      acting: cookieName,
      bound: cookieName,
      sameSite: oneOf(["lax", "strict", "none"], "lax"),
      path: v.optional(text(/^\/[!-:<-~]*$/, "must start with / and hold no space or semicolon"), "/"),
      domain: v.optional(
        text(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i, "is not a domain name"),
      ),
      partitioned: flag(false),
      noStore: flag(true),
    }),
    {},
  ),
  devices: v.optional(
    v.strictObject({
      max: v.optional(
        v.union(
          [
            v.literal(false),
            countUpTo(100_000),
            v.custom<DeviceLimit>((value) => typeof value === "function"),
          ],
          "must be a whole number from 1 to 100000, false, or a function of a user's id",
        ),
        SAFETY,
      ),
      overflow: oneOf(["evictOldest", "refuse"], "evictOldest"),
      place: v.optional(
        v.custom<PlaceLookup>((value) => typeof value === "function", "must be a function of an address"),
      ),
      detectNew: flag(false),
    }),
    {},
  ),
  audit: v.optional(
    v.strictObject({
      sink: v.optional(
        v.custom<AuditSink>((value) => hasMethods(value, ["append"]), "must be an object with append()"),
      ),
      events: v.optional(
        v.array(v.custom<EventName>(isAuditable, "is not an auditable event"), "must be a list of events"),
        [...AUDITED],
      ),
      keep: duration(AUDIT_KEEP),
    }),
    {},
  ),
  privacy: v.optional(
    v.strictObject({
      addresses: oneOf(["full", "network", "none"], "full"),
      keepAddresses: v.optional(
        v.union([v.literal(false), duration("30d")], "must be a positive duration or false"),
        false,
      ),
    }),
    {},
  ),
  encryption: v.optional(
    v.strictObject({
      keys: secrets,
      acceptPlainText: flag(false),
    }),
  ),
  prune: v.optional(
    v.union(
      [v.literal(false), v.strictObject({ every: duration("15m"), chunk: count(1000, 100_000) })],
      "must be false or { every, chunk }",
    ),
    {},
  ),
  deviceBound: v.optional(
    v.strictObject({
      path: v.optional(
        text(/^(\/[A-Za-z0-9._~-]+)+$/, 'must be a path such as "/device-bound", without a slash at its end'),
        "/device-bound",
      ),
      lifetime: duration("10m"),
    }),
  ),
  onEnd: v.optional(v.strictObject({ channel: flag(true), poll: duration("5s") }), {}),
  proxy: v.optional(
    v.strictObject({
      requestStart: v.optional(
        v.pipe(text(TOKEN, "is not the name of a header (RFC 9110 section 5.1)"), v.toLowerCase()),
      ),
    }),
    {},
  ),
  caching: oneOf(["protect", "off"], "protect"),
  whenUnavailable: oneOf(["refuse", "anonymous"], "refuse"),
  clock: v.optional(
    v.custom<Clock>((value) => hasMethods(value, ["now"]), "must be an object with now()"),
    systemClock,
  ),
});

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
