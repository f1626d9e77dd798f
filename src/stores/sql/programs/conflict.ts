import type { Conflict } from "../../store.ts";

/** Thrown inside a transaction to undo it. */
export class ConditionFailed extends Error {
  readonly conflict: Conflict;
  constructor(conflict: Conflict) {
    super(conflict);
    this.conflict = conflict;
  }
}

/**
 * The statement that asked for a proof at the same time changed nothing. It sees only whether marks may be newer than the
 * proof: to be tried again in a transaction that looks first.
 */
export class UnsureProof extends ConditionFailed {
  constructor() {
    super("outdated");
  }
}
