import { type ProvedMethod, readProofs } from "./proofs.ts";
import type { SessionRow, UserId } from "./rows.ts";

/** A sign-in that has begun and waits for another factor. */
export interface Pending {
  readonly userId: UserId;
  /** Epoch milliseconds; from then on it is over. */
  readonly until: number;
  /** When its first factor was checked: what the user's marks are compared with. */
  readonly provedAt: number;
  readonly proofs: readonly ProvedMethod[];
  /** What the tick of "remember me" asked for: true, a life in milliseconds, or neither. */
  readonly remember: boolean | number;
}

type PendingFields = Pick<SessionRow, "pendingUserId" | "pending">;

export const NOT_PENDING = { pendingUserId: undefined, pending: undefined } as const;

export const writePending = (
  userId: UserId,
  { until, provedAt, remember }: Omit<Pending, "proofs" | "userId">,
  proofs: string | undefined,
): PendingFields => ({
  pendingUserId: userId,
  pending: [
    until,
    provedAt,
    typeof remember === "number" ? Math.max(2, remember) : Number(remember),
    proofs ?? "",
  ].join(";"),
});

/** The sign-in that waits on this session; undefined where there is none, or its time is over. */
export function pendingOf({ pendingUserId, pending }: PendingFields, now: number): Pending | undefined {
  if (pendingUserId === undefined || pending === undefined) return undefined;
  const [until, provedAt, remember, proofs] = pending.split(";");
  const end = Number(until);
  // Written so that what cannot be read is over.
  if (!(now < end)) return undefined;
  const life = Number(remember);
  return {
    userId: pendingUserId,
    until: end,
    provedAt: Number(provedAt),
    proofs: readProofs(proofs === "" ? undefined : proofs),
    remember: life > 1 ? life : life === 1,
  };
}
