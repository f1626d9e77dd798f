import type { RememberedRow, SessionRow } from "./rows.ts";
import { isPast } from "./rows.ts";
import { type Digest, sameDigest } from "./secrets.ts";

const CODES = ["idle", "lifetime", "limit", "ended", "key"] as const;

/** Why a browser is not signed in any more, as far as its visitor may know. */
export interface EndedBecause {
  /**
   * idle: it was not used for too long. lifetime: its last sign-in was too long ago. limit: the user signed in on another
   * device, and may have no more. ended: ended from elsewhere, whatever the reason was. key: the session is bound to a key
   * that this browser has not proved (`deviceBound`).
   */
  readonly code: (typeof CODES)[number];
  /** When, in epoch milliseconds; undefined for `ended` and `key`. */
  readonly at: number | undefined;
}

export const isEndedCode = (code: unknown): code is EndedBecause["code"] =>
  (CODES as readonly unknown[]).includes(code);

/**
 * Of a session past its deadline, to the holder of its last secret: a copy that was made before the last exchange gets no
 * answer.
 */
export function sessionEnded(row: SessionRow, presented: Digest, now: number): EndedBecause | undefined {
  if (row.userId === undefined || !sameDigest(presented, row.secret)) return undefined;
  return isPast(row, now) ? pastDeadline(row) : undefined;
}

/**
 * Of a login that has ended, to the holder of the last token that its browser may have: a thief with an older copy gets no
 * answer. Who holds the last one may be a thief as well, so a theft, a changed password and a revocation all look alike.
 */
export function loginEnded(row: RememberedRow, presented: Digest, now: number): EndedBecause | undefined {
  const isLast =
    sameDigest(presented, row.token) ||
    (row.confirmedAt === undefined && sameDigest(presented, row.previous));
  if (!isLast) return undefined;
  if (row.revokedAt === undefined) return isPast(row, now) ? pastDeadline(row) : undefined;
  switch (row.revokedReason) {
    // By this browser itself, which has newer cookies, or chose to leave.
    case "logout":
    case "replaced":
      return undefined;
    case "cap":
    case "tag":
      return { code: "limit", at: row.revokedAt };
    default:
      return { code: "ended", at: undefined };
  }
}

const pastDeadline = ({ idleDeadline, absoluteDeadline }: SessionRow | RememberedRow): EndedBecause =>
  idleDeadline < absoluteDeadline
    ? { code: "idle", at: idleDeadline }
    : { code: "lifetime", at: absoluteDeadline };
