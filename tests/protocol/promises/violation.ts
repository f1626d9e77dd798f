/** A promise of docs/protocol.md that does not hold, in words. */
export interface Violation {
  readonly invariant: string;
  readonly what: string;
}

/** Those of these that are true. */
export const violations = (invariant: string, found: readonly (readonly [boolean, string])[]): Violation[] =>
  found.flatMap(([isBroken, what]) => (isBroken ? [{ invariant, what }] : []));
