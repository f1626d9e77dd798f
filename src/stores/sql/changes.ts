import type { Change } from "../store.ts";

/** A change that ends nothing. */
export const endsNothing = ({ end = [], caps = [] }: Change): boolean =>
  end.length === 0 && caps.length === 0;

/** One write is a transaction by itself, if it asks for the proof as well. */
export function isSingleWrite(change: Change): boolean {
  const { proof, rotate, hold, stray, remember, insert, update, use } = change;
  return (
    endsNothing(change) &&
    [rotate, hold, use].every((part) => part === undefined) &&
    [stray, remember, insert, update].filter((part) => part !== undefined).length === 1 &&
    (proof === undefined || stray === undefined)
  );
}

/** A proof that names no marks is none. */
export const withoutEmptyProof = (change: Change): Change =>
  change.proof?.marks.length === 0 ? { ...change, proof: undefined } : change;

/** Only rows that are new, with ids that were drawn for them: what a visitor without cookies does. */
export function insertsOnly(change: Change): boolean {
  const { rotate, hold, stray, remember, insert, update, use } = change;
  return (
    endsNothing(change) &&
    [rotate, hold, stray, update, use].every((part) => part === undefined) &&
    (insert === undefined || insert.rememberedId === remember?.id) &&
    // A session that was ended after the first try leaves nothing behind, and would come back with the second
    // one; a remembered login leaves its tombstone.
    (insert?.userId === undefined || remember !== undefined)
  );
}
