import type { ChangeParts, Write } from "../store.ts";

/** A change that ends nothing. */
export const endsNothing = ({ end = [], caps = [] }: ChangeParts): boolean =>
  end.length === 0 && caps.length === 0;

const countOf = (parts: readonly unknown[]): number => parts.filter((part) => part !== undefined).length;

/** One write is a transaction by itself, if it checks the proof as well. */
export function isSingleWrite(change: Write): boolean {
  switch (change.kind) {
    case "create":
    case "stray":
      return true;
    case "save":
      return change.use === undefined;
    case "signIn":
    case "renew": {
      const { hold, remember, insert, update }: ChangeParts = change;
      return endsNothing(change) && hold === undefined && countOf([remember, insert, update]) === 1;
    }
    default:
      return false;
  }
}

/** A proof without marks needs no check. */
export const withoutEmptyProof = (change: Write): Write =>
  "proof" in change && change.proof?.marks.length === 0 ? { ...change, proof: undefined } : change;

/** Only rows that are new, with ids that were drawn for them: what a visitor without cookies does. */
export function insertsOnly(change: Write): change is Extract<Write, { kind: "create" | "signIn" }> {
  if (change.kind === "create") return true;
  if (change.kind !== "signIn" || change.update !== undefined) return false;
  const { insert, remember } = change;
  // A session that was ended after the first try leaves nothing behind, and would come back with the second
  // one; a remembered login leaves its tombstone.
  const isSure = insert?.userId === undefined || remember !== undefined;
  return endsNothing(change) && isSure && (insert === undefined || insert.rememberedId === remember?.id);
}
