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
 * A write that also checked a proof changed nothing. It sees only whether marks may be newer than the proof: the caller
 * tries again in a transaction that reads the marks first.
 */
export class UnsureProof extends ConditionFailed {
  constructor() {
    super("outdated");
  }
}
