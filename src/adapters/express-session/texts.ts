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
    throw new PsessionError(
      "invalid_data",
      "Session data cannot be written as JSON (circular, or a BigInt).",
      { cause },
    );
  }
  return texts;
}

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
 * Puts onto `session` what others stored since `base`; keys that were changed here stay as they are here. Gives
 * the keys that both changed differently.
 */
export function mergeInto(
  session: Record<string, unknown>,
  base: Texts,
  fresh: Record<string, unknown>,
): string[] {
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
