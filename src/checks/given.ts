import { PsessionError } from "../errors.ts";
import { ID_LENGTH } from "../protocol/secrets.ts";
import { invalidOptions } from "./faults.ts";
import { hasMethods } from "./shape.ts";

/*
 * What applications give is checked here, before any store is asked: of text that is not like this one driver keeps what
 * comes before a NUL, another puts something else for half a surrogate, and a third refuses it as if the database were down.
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
 * Whether a device can have this handle, which often comes from an address: one that none can have is as one that is not
 * there, and what is no text at all is the client's or the handler's mistake.
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

/** Options of another library in its place would be found out by the first visitor. */
export function assertPsession(who: string, value: unknown): void {
  if (!isPsession(value)) throw invalidOptions(who, [`psession ${NO_PSESSION}`]);
}

export const isPsession = (value: unknown): boolean => hasMethods(value, ["exchange"]);

export const NO_PSESSION = "must be what createPsession gives";

/** One that is none would fail when it is called, where nobody looks. */
export function assertFunction(what: string, value: unknown): asserts value is (...given: never) => unknown {
  if (typeof value !== "function") throw new PsessionError("invalid_options", `${what} must be a function.`);
}

/** Options of a method: one that is misspelt would be passed over, and others end what it meant to keep. */
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

/** What is to be there later: looked at now, it holds nothing. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === "function";

/** An asynchronous function was given where one must return at once: what it does later is nobody's fault any more. */
export function forget(value: unknown): void {
  if (value instanceof Promise) value.catch(() => {});
}
