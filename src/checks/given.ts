import { PsessionError } from "../errors.ts";
import { ID_LENGTH } from "../protocol/secrets.ts";
import { invalidOptions } from "./faults.ts";
import { hasMethods } from "./shape.ts";

/*
 * Arguments are checked here, before any store is asked: of other text, one driver keeps only what comes before a NUL,
 * another replaces half a surrogate, and a third fails as if the database were down.
 */

/** The longest reason, or name of a factor. */
export const LONGEST_WORD = 255;

/** Text that every store keeps as it is: well-formed Unicode without control characters. */
export const isFaithful = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text);

export const isText = (value: unknown, longest: number): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= longest && isFaithful(value);

export const textOf = (longest: number): string =>
  `text of 1 to ${longest} characters without control characters`;

/** `what` names the method and the argument. */
export function assertText(what: string, value: unknown, longest = LONGEST_WORD): asserts value is string {
  if (!isText(value, longest))
    throw new PsessionError("invalid_options", `${what} must be ${textOf(longest)}.`);
}

const HANDLE = new RegExp(`^[A-Za-z0-9_-]{${ID_LENGTH}}$`);

/** Whether a session or a login can have this id. */
export const isId = (value: string): boolean => HANDLE.test(value);

/**
 * Whether a device can have this handle, which often comes from a URL: an impossible one is treated as unknown, and
 * what is no text at all is the client's or the handler's mistake.
 */
export function isHandle(what: string, value: unknown): value is string {
  if (isText(value, LONGEST_WORD)) return isId(value);
  throw new PsessionError(
    "invalid_options",
    `${what}: a handle is text, as device.handle and session.handle have it.`,
    {
      status: 400,
    },
  );
}

/** Given another library's options instead, it would only fail at the first visitor. */
export function assertPsession(who: string, value: unknown): void {
  if (!isPsession(value)) throw invalidOptions(who, [`psession ${NO_PSESSION}`]);
}

export const isPsession = (value: unknown): boolean => hasMethods(value, ["exchange"]);

export const NO_PSESSION = "must be what createPsession gives";

/** Something else would only fail when it is called, unnoticed. */
export function assertFunction(what: string, value: unknown): asserts value is (...given: never) => unknown {
  if (typeof value !== "function") throw new PsessionError("invalid_options", `${what} must be a function.`);
}

/** Options of a method: a misspelt one would be ignored, and the call end what it should have kept. */
export function assertOptions(who: string, options: unknown, known: readonly string[]): void {
  const isObject =
    typeof options === "object" && options !== null && !(Symbol.iterator in options || isThenable(options));
  const faults = isObject
    ? Object.keys(options)
        .filter((name) => !known.includes(name))
        .map((name) => `${name} is no option`)
    : ["options must be an object"];
  if (faults.length > 0) throw invalidOptions(who, faults);
}

/** A promise: looked at now, it holds nothing. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === "function";

/** An asynchronous function was given where one must return at once: its later rejection is ignored. */
export function forget(value: unknown): void {
  if (value instanceof Promise) value.catch(() => {});
}
