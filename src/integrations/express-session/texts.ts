import { PsessionError } from "../../errors.ts";

/** Session data by key, as text: what differs is found by content, however deep it was changed. */
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
 * All of the data as one text, without the cookie: what differs from it was changed, or put into another order, as
 * express-session sees it.
 */
export function textOf(session: object): string {
  const data: Record<string, unknown> = { ...session, cookie: undefined };
  // None of the data is asked what is to be written.
  if (typeof data["toJSON"] === "function") data["toJSON"] = undefined;
  try {
    return JSON.stringify(data);
  } catch (cause) {
    throw unwritable(cause);
  }
}

/** By key, of what `textOf` gave. */
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
 * Puts onto `session` what others stored since `before`; keys that were changed here stay as they are here. Gives
 * the keys that both changed differently.
 */
export function mergeInto(
  session: Record<string, unknown>,
  before: string,
  fresh: Record<string, unknown>,
): string[] {
  const base = partsOf(before);
  const mine = textsOf(session);
  const theirs = textsOf(fresh);
  const conflicts: string[] = [];
  for (const key of new Set([...base.keys(), ...mine.keys(), ...theirs.keys()])) {
    const [was, ours, other] = [base.get(key), mine.get(key), theirs.get(key)];
    if (ours === other) continue;
    if (ours !== was) {
      if (other !== was) conflicts.push(key);
    } else if (other === undefined) delete session[key];
    else session[key] = fresh[key];
  }
  return conflicts;
}
