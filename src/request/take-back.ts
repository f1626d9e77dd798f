import type { Checkpoint, RequestState } from "./state.ts";

export function checkpointOf(state: RequestState): Checkpoint {
  const { standing, intent, drawnId, successor, presented, data } = state;
  return { standing, intent, drawnId, successor, presented, data: data.snapshot() };
}

export function goBack(state: RequestState, { data, ...before }: Checkpoint): void {
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
  const { checkpoint } = state;
  state.checkpoint = undefined;
  if (checkpoint !== undefined) goBack(state, checkpoint);
}
