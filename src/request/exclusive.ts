import { PsessionError } from "../errors.ts";
import { type LockOptions, resolveLimits } from "../upkeep/locks.ts";
import { inTurn } from "./commit.ts";
import { refresh } from "./standing.ts";
import { beginsAnew, identityOf, sessionOf, type Writing } from "./state.ts";

/** Takes the session's lock, once a request, and reads what was saved while it waited. */
export async function exclusive(state: Writing<"lock">, options: LockOptions): Promise<void> {
  const limits = resolveLimits("exclusive", options);
  const { standing, intent } = state;
  const { userId } = identityOf(state);
  const id = sessionOf(standing)?.id ?? (standing.kind === "remembered" ? standing.login.id : undefined);
  // No other request can use a session that is not stored yet, nor what follows a logout.
  const isOwn = id === undefined || intent.kind === "logout" || beginsAnew(intent);
  if (isOwn || state.lock !== undefined) return;
  state.lock = await state.core.locks.take(`session/${id}`, limits);
  await inTurn(state, () => refresh(state));
  // A guard may have let this request through for the user signed in before the wait.
  if (identityOf(state).userId === userId) return;
  throw new PsessionError(
    "session_ended",
    "The user was signed out while this request waited for its turn.",
    {
      status: 401,
    },
  );
}

/** Not awaited: the response is on its way, and a lock that is not released expires. */
export function unlock(state: Writing<"lock">): void {
  const { settings, events } = state.core;
  state.lock?.release().catch((error: unknown) => {
    events.emit("storeUnavailable", { at: settings.clock.now(), error });
  });
  state.lock = undefined;
}
