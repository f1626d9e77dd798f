import type { SessionRow, UserId } from "./rows.ts";

/** Who acts as a session's user: an administrator, whose own session waits meanwhile. */
export interface Actor {
  readonly userId: UserId;
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly since: number;
  readonly until: number;
}

/** An actor, and the session that it comes from. */
export interface Acting extends Actor {
  readonly sessionId: string;
  /** That session's, as the impersonation began: a new sign-in or a renewal there ends it. */
  readonly fence: number;
}

type ActorFields = Pick<SessionRow, "actorUserId" | "actor">;

export const NO_ACTOR = { actorUserId: undefined, actor: undefined } as const;

export const writeActor = ({ userId, sessionId, fence, reason }: Acting): ActorFields => ({
  actorUserId: userId,
  actor: [sessionId, fence, reason].join(";"),
});

/** Undefined for a session that its own user has. */
export function actingIn(
  row: ActorFields & Pick<SessionRow, "createdAt" | "absoluteDeadline">,
): Acting | undefined {
  const { actorUserId: userId, actor } = row;
  if (userId === undefined || actor === undefined) return undefined;
  const [sessionId = "", fence, ...reason] = actor.split(";");
  const times = { since: row.createdAt, until: row.absoluteDeadline };
  return { userId, sessionId, fence: Number(fence), reason: reason.join(";"), ...times };
}
