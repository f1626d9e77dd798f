import type { Session } from "../session.ts";
import type { Level } from "../stores/store.ts";

/** What a page may know of the visitor's session: `watchSession` of `psession/client` reads it. */
export interface VisitorState {
  readonly level: Level;
  readonly userId?: string | number | undefined;
  /** A first factor was right, and the second is still to come. */
  readonly isPending: boolean;
  /** An administrator acts as this user. */
  readonly isActing: boolean;
  readonly endsAt?: Awaited<ReturnType<Session["endsAt"]>>;
  readonly profile?: unknown;
}

/** Gives what pages may know of the user besides. To be JSON. */
// biome-ignore lint/suspicious/noExplicitAny: any data will do.
export type Describe = (session: Session<any>) => unknown;

/** Asking is no use of the session, or a page that asks would keep it alive. */
export async function visitorState(
  // biome-ignore lint/suspicious/noExplicitAny: any data will do.
  session: Session<any>,
  describe?: Describe,
): Promise<VisitorState> {
  session.bePassive();
  return stateOf(session, describe);
}

/** The same, after a use of the session: "stay signed in". Throws `login_required` (401) where nobody is signed in. */
export async function extendedState(
  // biome-ignore lint/suspicious/noExplicitAny: any data will do.
  session: Session<any>,
  describe?: Describe,
): Promise<VisitorState> {
  session.extend();
  return stateOf(session, describe);
}

// biome-ignore lint/suspicious/noExplicitAny: any data will do.
async function stateOf(session: Session<any>, describe: Describe | undefined): Promise<VisitorState> {
  const { level, userId, pending, actor } = session;
  const isPending = pending !== undefined;
  if (level === "anonymous") return { level, isPending, isActing: false };
  const profile = await describe?.(session);
  return {
    level,
    userId,
    isPending,
    isActing: actor !== undefined,
    endsAt: await session.endsAt(),
    ...(profile !== undefined && { profile }),
  };
}
