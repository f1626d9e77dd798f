import { isPast } from "../protocol/rows.ts";
import type { SessionRow } from "../stores/store.ts";
import { loginInForce, sessionInForce } from "./limits.ts";
import type { RequestState } from "./state.ts";

/**
 * Whether what a request opened still stands, by a fresh read of its row: not ended, not past a deadline, not
 * given to another sign-in, and its secret not replaced by a proof of a credential or a renewal, after which the old
 * secret gets nothing. Other exchanges of the secret do not end a connection.
 */
export async function isAlive(state: RequestState): Promise<boolean> {
  const { core, standing, host } = state;
  const { settings } = core;
  const { store, clock } = settings;
  switch (standing.kind) {
    case "none":
    case "detached":
      return false;
    case "remembered": {
      const found = await store.findRemembered(standing.login.id);
      return (
        found !== undefined &&
        found.login.revokedAt === undefined &&
        !isPast(loginInForce(found.login, settings), clock.now())
      );
    }
    case "live":
    case "previous": {
      const { id, userId, rememberedId, fence } = standing.session;
      const row = sessionInForce(await store.findSession(id), settings);
      return (
        (host === undefined || (await isHostAlive(state, host))) &&
        row !== undefined &&
        row.userId === userId &&
        row.rememberedId === rememberedId &&
        row.fence === fence &&
        !isPast(row, clock.now())
      );
    }
  }
}

/** The session of the administrator who acts as another user. */
async function isHostAlive(
  { core: { settings } }: RequestState,
  { id, userId, level, fence }: SessionRow,
): Promise<boolean> {
  const row = sessionInForce(await settings.store.findSession(id), settings);
  return (
    row !== undefined &&
    row.userId === userId &&
    row.level === level &&
    row.fence === fence &&
    !isPast(row, settings.clock.now())
  );
}
