/** The instrumentation scope of every metric and span. */
export const SCOPE = "psession";

/** No id, no address, no name of a user: every attribute has few values, however many visitors come. */
export const ATTRIBUTES = {
  outcome: "psession.outcome",
  remembered: "psession.remembered",
  reason: "psession.reason",
  why: "psession.bound.why",
  skipped: "psession.bound.skipped",
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

const { outcome, remembered, reason, why, skipped, rowKind, store, operation, change, error } = ATTRIBUTES;

const counter = (unit: string, description: string, ...attributes: readonly Attribute[]): Definition => ({
  unit: `{${unit}}`,
  description,
  attributes,
});

/** docs/observability.md has a table of them. Names are API. */
export const COUNTERS = {
  "psession.opens": counter("request", "Requests whose session was asked for", outcome, error),
  "psession.logins": counter("login", "Sign-ins", remembered),
  "psession.signin.failures": counter("attempt", "Wrong passwords and codes that psession/attempts counted"),
  "psession.signin.throttles": counter(
    "attempt",
    "Sign-ins that were refused unseen, as too many had failed",
  ),
  "psession.restores": counter("restore", "Browsers that came back by their remember cookie"),
  "psession.recoveries": counter(
    "recovery",
    "Browsers that came back by a token whose successor was never confirmed",
  ),
  "psession.convergences": counter(
    "convergence",
    "Requests that were given the token that a parallel request had made",
  ),
  "psession.rotations": counter("rotation", "Secrets of sessions that were exchanged"),
  "psession.thefts": counter(
    "theft",
    "Devices that ended because a superseded token or a proof of another key was presented",
  ),
  "psession.revocations": counter("device", "Devices that were ended from elsewhere", reason),
  "psession.bound.registrations": counter("session", "Sessions that were bound to a key of their browser"),
  "psession.bound.refreshes": counter(
    "proof",
    "Proofs of a key, for which the browser got a new short cookie",
  ),
  "psession.bound.refusals": counter(
    "refusal",
    "Requests and proofs that were refused, as they did not prove the session's key",
    why,
  ),
  "psession.bound.skips": counter(
    "request",
    "Requests that browsers sent without a proof, and said so",
    skipped,
  ),
  "psession.merge.retries": counter("retry", "Saves that met a newer version and were tried again"),
  "psession.merge.conflicts": counter(
    "conflict",
    "Saves that overwrote a key which another request had changed",
  ),
  "psession.discarded.saves": counter(
    "save",
    "Saves that were dropped, as their request no longer had the session",
  ),
  "psession.pruned.rows": counter("row", "Rows that were pruned", rowKind),
  "psession.store.errors": counter("error", "Calls of the store that failed"),
  "psession.store.losses": counter(
    "login",
    "Remember cookies that were newer than their row: the store lost writes",
  ),
  "psession.clock.skews": counter("row", "Rows that were written by a clock too far ahead"),
  "psession.unknown.key.cookies": counter(
    "cookie",
    "Cookies that look like psession's and fit none of the keys",
  ),
  "psession.audit.losses": counter(
    "entry",
    "Entries that were dropped, as the audit trail did not take them",
  ),
};

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

/** Those that browsers name most (`Secure-Session-Skipped`). */
export const SKIPPED: ReadonlySet<string> = new Set(["unreachable", "quota_exceeded", "server_error"]);

/** Clients may write any text there. */
export const skippedNamed = (reason: string): string => (SKIPPED.has(reason) ? reason : "other");

/** For errors without a code of psession (semantic conventions, error.type). */
const OTHER_ERROR = "_OTHER";

/** By name and not by class: two copies of psession may be in one process, and both are counted. */
export function errorTypeOf(thrown: unknown): string {
  const isOurs = thrown instanceof Error && thrown.name === "PsessionError" && "code" in thrown;
  return isOurs && typeof thrown.code === "string" ? thrown.code : OTHER_ERROR;
}
