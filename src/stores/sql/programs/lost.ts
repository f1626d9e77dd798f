import type { Lost } from "../../store.ts";

/** Thrown inside a transaction to undo it. */
export class LostCondition extends Error {
  readonly lost: Lost;
  constructor(lost: Lost) {
    super(lost);
    this.lost = lost;
  }
}

/**
 * The statement that asked for a proof at the same time changed nothing. It sees only whether marks may be newer than the
 * proof: to be tried again in a transaction that looks first.
 */
export class UnsureProof extends LostCondition {
  constructor() {
    super("outdated");
  }
}
