import { merge } from "../../data/merge.ts";
import { PsessionError } from "../../errors.ts";

/** Session data by key, as text, so that changes are found at any depth. */
export type Texts = ReadonlyMap<string, string>;

/** Without the cookie, which is no data. */
export function textsOf(session: object): Texts {
  const texts = new Map<string, string>();
  try {
    for (const [key, value] of Object.entries(session)) {
      const text = key === "cookie" ? undefined : JSON.stringify(value);
      if (text !== undefined) texts.set(key, text);
    }
  } catch (cause) {
    throw unwritable(cause);
  }
  return texts;
}

const unwritable = (cause: unknown): PsessionError =>
  new PsessionError("invalid_data", "Session data cannot be written as JSON (circular, or a BigInt).", {
    cause,
  });

/**
 * All data as one text, without the cookie. A change of order counts as a change, as in express-session.
 */
export function textOf(session: object): string {
  const data: Record<string, unknown> = { ...session, cookie: undefined };
  // A `toJSON` among the data must not decide what is written.
  if (typeof data["toJSON"] === "function") data["toJSON"] = undefined;
  try {
    return JSON.stringify(data);
  } catch (cause) {
    throw unwritable(cause);
  }
}

/** The texts by key, from the one of `textOf`. */
export const partsOf = (text: string): Texts => textsOf(JSON.parse(text) as object);

export function isWritable(session: object): boolean {
  try {
    return textsOf(session) !== undefined;
  } catch {
    return false;
  }
}

export function sameTexts(a: Texts, b: Texts): boolean {
  return a.size === b.size && [...a].every(([key, text]) => b.get(key) === text);
}

/**
 * Merges changes that other requests stored since `before` into `session`, whose own changes stay. Gives the keys that
 * both changed differently.
 */
export function mergeInto(
  session: Record<string, unknown>,
  before: string,
  fresh: Record<string, unknown>,
): string[] {
  const [was, own, other] = [partsOf(before), textsOf(session), textsOf(fresh)];
  return merge(
    new Set([...was.keys(), ...own.keys(), ...other.keys()]),
    { was: (key) => was.get(key), own: (key) => own.get(key), other: (key) => other.get(key) },
    (key) => {
      if (other.has(key)) session[key] = fresh[key];
      else delete session[key];
    },
  );
}
