import type { Snapshot } from "../data/session-data.ts";
import type { PresentedSession, SessionCookie } from "../http/cookies.ts";
import type { Intent, RequestState, Standing } from "./state.ts";

/** How a request stood before it changed whose data it holds: before a sign-in, or before it dropped some. */
export interface Mark {
  readonly standing: Standing;
  readonly intent: Intent;
  readonly drawnId: string | undefined;
  readonly successor: SessionCookie | undefined;
  readonly presented: PresentedSession | undefined;
  readonly data: Snapshot;
}

export function markOf(state: RequestState): Mark {
  const { standing, intent, drawnId, successor, presented, data } = state;
  return { standing, intent, drawnId, successor, presented, data: data.snapshot() };
}

export function goBack(state: RequestState, { data, ...before }: Mark): void {
  // What was lost meanwhile stays lost: nothing of an ended session may come back.
  if (state.standing.kind === "detached" && before.standing.kind !== "detached") return;
  Object.assign(state, before);
  state.data.restore(data);
}

/**
 * A sign-in was not stored. What it carried is the user's, and would be stored under the old secret, which whoever
 * planted the session knows (CWE-384): all that followed is forgotten.
 */
export function takeBack(state: RequestState): void {
  const { mark } = state;
  state.mark = undefined;
  if (mark !== undefined) goBack(state, mark);
}
