import { isThenable } from "../checks/given.ts";
import { PsessionError } from "../errors.ts";

/** Levels of nesting that data may have: code that walks it must not run out of stack. */
export const DEEPEST = 64;

/** Keys that reach an object's prototype; refused at every depth. */
export const isForbidden = (key: string): boolean =>
  key === "__proto__" || key === "constructor" || key === "prototype";

/** Checks the key of a message or a value that is read. */
export function assertKey(key: unknown): asserts key is string {
  if (typeof key === "string") return;
  throw new PsessionError("invalid_data", "A key of session data must be text.");
}

/** For messages: a path may come from a visitor, at any length. */
export const shortened = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

/**
 * Whether something has values by key. A list, a Map, a Date or a promise would store nothing, or something
 * else.
 */
export function hasKeys(values: unknown): values is Record<string, unknown> {
  if (typeof values !== "object" || values === null) return false;
  return !(
    Symbol.iterator in values ||
    "toJSON" in values ||
    isThenable(values) ||
    values instanceof Boolean
  );
}

/** What a setter was given: a key and its value, or an object with values by key. */
export function valuesByKey(what: string, target: unknown, value: unknown): [string, unknown][] {
  if (typeof target === "string") return [[target, value]];
  if (hasKeys(target)) return Object.entries(target);
  throw new PsessionError(
    "invalid_data",
    `${what} takes a key and a value, or an object with values by key.`,
  );
}

export function refuseKey(key: string): void {
  if (isForbidden(key)) throw forbidden(key);
}

export const forbidden = (key: string): PsessionError =>
  new PsessionError("invalid_data", `"${shortened(key)}" cannot be a key of session data.`);

export const tooDeep = (): PsessionError =>
  new PsessionError("invalid_data", `Session data is nested deeper than ${DEEPEST} levels, or in a circle.`);

/** Keys of what is kept beside the data, in the same text, so that it is merged and saved with it. */
export const ASIDE = "psession:";

export const isAside = (key: string): boolean => key.startsWith(ASIDE);

/** For keys that the application chooses at the top of its data. */
export function refuseTopKey(key: string): void {
  assertKey(key);
  if (isAside(key))
    throw new PsessionError("invalid_data", `Keys that begin with "${ASIDE}" are psession's own.`);
  refuseKey(key);
}
