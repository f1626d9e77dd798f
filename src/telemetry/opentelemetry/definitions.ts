/** The instrumentation scope of every metric and span. */
export const SCOPE = "psession";

/** No id, no address, no name of a user: every attribute has few values, however many visitors come. */
export const ATTRIBUTES = {
  outcome: "psession.outcome",
  remembered: "psession.remembered",
  reason: "psession.reason",
  rowKind: "psession.row.kind",
  store: "psession.store.name",
  operation: "psession.store.operation",
  change: "psession.store.change",
  error: "error.type",
} as const;

type Attribute = (typeof ATTRIBUTES)[keyof typeof ATTRIBUTES];
/** The values of a measurement's attributes. */
export type Facts = { readonly [name in Attribute]?: string | boolean | undefined };

interface Definition {
  readonly unit: string;
  readonly description: string;
  readonly attributes: readonly Attribute[];
}

const { outcome, remembered, reason, rowKind, store, operation, change, error } = ATTRIBUTES;

/** docs/observability.md has a table of them. Names are API. */
export const COUNTERS = {
  "psession.opens": {
    unit: "{request}",
    description: "Requests whose session was asked for",
    attributes: [outcome, error],
  },
  "psession.logins": { unit: "{login}", description: "Sign-ins", attributes: [remembered] },
  "psession.restores": {
    unit: "{restore}",
    description: "Browsers that came back by their remember cookie",
    attributes: [],
  },
  "psession.recoveries": {
    unit: "{recovery}",
    description: "Browsers that came back by a token whose successor was never confirmed",
    attributes: [],
  },
  "psession.convergences": {
    unit: "{convergence}",
    description: "Requests that were given the token that a parallel request had made",
    attributes: [],
  },
  "psession.rotations": {
    unit: "{rotation}",
    description: "Secrets of sessions that were exchanged",
    attributes: [],
  },
  "psession.thefts": {
    unit: "{theft}",
    description: "Remembered logins that ended because a superseded token was presented",
    attributes: [],
  },
  "psession.revocations": {
    unit: "{device}",
    description: "Devices that were ended from elsewhere",
    attributes: [reason],
  },
  "psession.merge.retries": {
    unit: "{retry}",
    description: "Saves that met a newer version and were tried again",
    attributes: [],
  },
  "psession.merge.conflicts": {
    unit: "{conflict}",
    description: "Saves that overwrote a key which another request had changed",
    attributes: [],
  },
  "psession.discarded.saves": {
    unit: "{save}",
    description: "Saves that were dropped, as their request no longer had the session",
    attributes: [],
  },
  "psession.pruned.rows": { unit: "{row}", description: "Rows that were pruned", attributes: [rowKind] },
  "psession.store.errors": { unit: "{error}", description: "Calls of the store that failed", attributes: [] },
  "psession.store.losses": {
    unit: "{login}",
    description: "Remember cookies that were newer than their row: the store lost writes",
    attributes: [],
  },
  "psession.clock.skews": {
    unit: "{row}",
    description: "Rows that were written by a clock too far ahead",
    attributes: [],
  },
  "psession.unknown.key.cookies": {
    unit: "{cookie}",
    description: "Cookies that look like psession's and fit none of the keys",
    attributes: [],
  },
  "psession.audit.losses": {
    unit: "{entry}",
    description: "Entries that were dropped, as the audit trail did not take them",
    attributes: [],
  },
} as const satisfies Record<string, Definition>;

export const HISTOGRAMS = {
  "psession.store.operation.duration": {
    unit: "s",
    description: "How long calls of the store took, waiting for a batch or a connection included",
    attributes: [store, operation, change, error],
    boundaries: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
  },
  "psession.batch.size": {
    unit: "{session}",
    description: "Sessions that were read or touched together",
    attributes: [store, operation],
    boundaries: [1, 2, 4, 8, 16, 32, 64, 128, 256],
  },
} as const satisfies Record<string, Definition & { readonly boundaries: readonly number[] }>;

export const SPANS = {
  "psession.open": [outcome, store, error],
  "psession.commit": [outcome, store, error],
} as const satisfies Record<string, readonly Attribute[]>;

/** Those that `RevocationReason` names. */
export const REASONS: ReadonlySet<string> = new Set([
  "logout",
  "replaced",
  "tag",
  "cap",
  "revoked",
  "theft",
  "password_changed",
]);

/** Applications may give any text as a reason. */
export const reasonNamed = (reason: string): string => (REASONS.has(reason) ? reason : "other");

/** For errors without a code of psession (semantic conventions, error.type). */
const OTHER_ERROR = "_OTHER";

/** By name and not by class: two copies of psession may be in one process, and both are counted. */
export function errorTypeOf(thrown: unknown): string {
  const isOurs = thrown instanceof Error && thrown.name === "PsessionError" && "code" in thrown;
  return isOurs && typeof thrown.code === "string" ? thrown.code : OTHER_ERROR;
}
