import { PsessionError } from "../errors.ts";
import type { UserId } from "../stores/store.ts";
import { identityOf, type RequestState, type Writing } from "./state.ts";

type State = Writing<"isLookedAt">;

/** For all that tells something of the visitor: caches are told that the answer may depend on it. */
export function look(state: State): RequestState {
  state.isLookedAt = true;
  return state;
}

/** For whoever asks for something of the session: what comes of that may depend on the cookies. */
export function usable(state: State): RequestState {
  if (!look(state).destroyed) return state;
  throw new PsessionError(
    "session_destroyed",
    "This session was destroyed; the next request begins a new one.",
  );
}

/** What is kept, for whoever reads or changes it now. */
export function use(state: State): RequestState["data"] {
  usable(state).onUseAfterHead?.();
  return state.data;
}

export function signedIn(state: State): UserId {
  const { userId } = identityOf(usable(state));
  if (userId !== undefined) return userId;
  throw new PsessionError("not_signed_in", "Nobody is signed in: call login() first, or guard the route.", {
    status: 401,
  });
}
