import { PsessionError } from "../errors.ts";
import type { UserId } from "../stores/store.ts";
import { identityOf, type RequestState, type Writing } from "./state.ts";

type State = Writing<"isLookedAt">;

/** For reads that reveal something of the visitor: the answer may depend on it, which its caching headers say. */
export function look(state: State): RequestState {
  state.isLookedAt = true;
  return state;
}

/** For any call on the session: its result may depend on the cookies. */
export function usable(state: State): RequestState {
  if (!look(state).destroyed) return state;
  throw new PsessionError(
    "session_destroyed",
    "This session was destroyed; the next request begins a new one.",
  );
}

/** The data kept for the session, for a read or a change now. */
export function use(state: State): RequestState["data"] {
  usable(state).onUseAfterHead?.();
  return state.data;
}

export function signedIn(state: State): UserId {
  const { userId } = identityOf(usable(state));
  if (userId !== undefined) return userId;
  throw new PsessionError("not_signed_in", "No user is signed in: call login() first, or guard the route.", {
    status: 401,
  });
}
