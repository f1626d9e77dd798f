import type { CookieOptions } from "./cookie.ts";

/** Values that express-session treats as not given. */
const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === false || value === "";

const isDate = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.valueOf());
const isText = (value: unknown, shape: RegExp): boolean => typeof value === "string" && shape.test(value);
/** The one of `values` that it is, in any case of letters. */
const oneOf = (value: unknown, values: readonly string[]): string | undefined => {
  const text = typeof value === "string" ? value.toLowerCase() : "";
  return values.includes(text) ? text : undefined;
};

const LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const DOMAIN = new RegExp(`^\\.?${LABEL}(\\.${LABEL})*$`, "i");
const PATH = /^\/[ -:<-~]*$/;
const SAME_SITES = ["lax", "strict", "none", "auto"];
const PRIORITIES = ["low", "medium", "high"];

/** The fault of a value, as the end of a sentence. Other values are as express-session takes them. */
const FAULTS: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  maxAge: (value) =>
    isNothing(value) || (typeof value === "number" && !Number.isNaN(value)) || isDate(value)
      ? undefined
      : "must be a number of milliseconds, or null",
  expires: (value) => (isNothing(value) || isDate(value) ? undefined : "must be a Date, or null"),
  path: (value) =>
    isNothing(value) || isText(value, PATH) ? undefined : "must start with / and hold no semicolon",
  domain: (value) => (isNothing(value) || isText(value, DOMAIN) ? undefined : "is not a domain name"),
  sameSite: (value) =>
    isNothing(value) || value === true || oneOf(value, SAME_SITES) !== undefined
      ? undefined
      : 'must be true, false, "lax", "strict", "none" or "auto"',
  priority: (value) =>
    isNothing(value) || oneOf(value, PRIORITIES) !== undefined
      ? undefined
      : 'must be "low", "medium" or "high"',
};

/** In one spelling, so that later code can compare with `true`. */
const SPELLINGS: Readonly<Record<string, (value: unknown) => unknown>> = {
  secure: (value) => (value === "auto" ? value : Boolean(value)),
  httpOnly: Boolean,
  partitioned: Boolean,
  sameSite: (value) => oneOf(value, SAME_SITES) ?? value === true,
  priority: (value) => oneOf(value, PRIORITIES),
};

/** All faults of `cookie`, or of the value it gives if it is a function; by attribute. */
export function cookieFaults(given: object): [name: string, fault: string][] {
  const faults: [string, string][] = [];
  for (const name in given) {
    const fault = FAULTS[name]?.(Reflect.get(given, name));
    if (fault !== undefined) faults.push([name, fault]);
  }
  return faults;
}

/** In the given order: of `maxAge` and `expires`, the last counts. Inherited properties count too. */
export function spelledCookie(given: object): CookieOptions {
  const options: Record<string, unknown> = {};
  for (const name in given) {
    const value: unknown = Reflect.get(given, name);
    const isGiven = value !== undefined && value !== null;
    options[name] = isGiven && SPELLINGS[name] !== undefined ? SPELLINGS[name](value) : value;
  }
  return options;
}
