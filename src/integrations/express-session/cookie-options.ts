import type { CookieOptions } from "./cookie.ts";

/** What has always meant that an attribute is not given. */
const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === false || value === "";

const isDate = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.valueOf());
const isText = (value: unknown, shape: RegExp): boolean => typeof value === "string" && shape.test(value);
/** Of the letters of `values`, in any case; undefined where it is none of them. */
const oneOf = (value: unknown, values: readonly string[]): string | undefined => {
  const text = typeof value === "string" ? value.toLowerCase() : "";
  return values.includes(text) ? text : undefined;
};

const LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const DOMAIN = new RegExp(`^\\.?${LABEL}(\\.${LABEL})*$`, "i");
const PATH = /^\/[ -:<-~]*$/;
const SAME_SITES = ["lax", "strict", "none", "auto"];
const PRIORITIES = ["low", "medium", "high"];

/** What is wrong with a value, as the end of a sentence. Everything else is as express-session takes it. */
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

/** In one spelling: nothing after this need ask whether `secure` is true or only looks like it. */
const SPELLINGS: Readonly<Record<string, (value: unknown) => unknown>> = {
  secure: (value) => (value === "auto" ? value : Boolean(value)),
  httpOnly: Boolean,
  partitioned: Boolean,
  sameSite: (value) => oneOf(value, SAME_SITES) ?? value === true,
  priority: (value) => oneOf(value, PRIORITIES),
};

/** Everything that is wrong with what `cookie` is, or what it gives where it is a function; by attribute. */
export function cookieFaults(given: object): [name: string, fault: string][] {
  const faults: [string, string][] = [];
  for (const name in given) {
    const fault = FAULTS[name]?.(Reflect.get(given, name));
    if (fault !== undefined) faults.push([name, fault]);
  }
  return faults;
}

/** In the order in which they are given: of `maxAge` and `expires`, the last counts. What is inherited counts too. */
export function spelledCookie(given: object): CookieOptions {
  const options: Record<string, unknown> = {};
  for (const name in given) {
    const value: unknown = Reflect.get(given, name);
    const isGiven = value !== undefined && value !== null;
    options[name] = isGiven && SPELLINGS[name] !== undefined ? SPELLINGS[name](value) : value;
  }
  return options;
}
