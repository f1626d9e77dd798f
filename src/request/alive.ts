import { endOf, isPast } from "../protocol/rows.ts";
import type { RowLevel, SessionRow } from "../stores/store.ts";
import { loginInForce, sessionInForce } from "./limits.ts";
import type { RequestState } from "./state.ts";

/**
 * Whether what a request opened still stands, by a fresh read of its row: not ended, not past a deadline, not
 * given to another sign-in, and its secret not replaced by a proof of a credential or a renewal, after which the old
 * secret gets nothing. Other exchanges of the secret do not end a connection.
 */
export const isAlive = async (state: RequestState): Promise<boolean> =>
  (await aliveUntil(state)) !== undefined;

/** Until when it stands if nobody uses it (epoch milliseconds); undefined where it does not. */
export async function aliveUntil(state: RequestState): Promise<number | undefined> {
  const { core, standing, host } = state;
  const { settings } = core;
  const { store, clock } = settings;
  switch (standing.kind) {
    case "none":
    case "detached":
      return undefined;
    case "remembered": {
      const found = await store.findRemembered(standing.login.id);
      const login = loginInForce(found?.login, settings);
      const isOver = login === undefined || login.revokedAt !== undefined || isPast(login, clock.now());
      return isOver ? undefined : endOf(login);
    }
    case "live":
    case "previous": {
      const until = await lastsUntil(state, standing.session);
      if (host === undefined || until === undefined) return until;
      const hostUntil = await lastsUntil(state, host, host.level);
      return hostUntil === undefined ? undefined : Math.min(until, hostUntil);
    }
  }
}

/** The end of a session that is as it was read. `level`: an administrator's, who acts as another user, has to keep it. */
async function lastsUntil(
  { core: { settings } }: RequestState,
  { id, userId, rememberedId, fence }: SessionRow,
  level?: RowLevel,
): Promise<number | undefined> {
  const row = sessionInForce(await settings.store.findSession(id), settings);
  const isSame =
    row !== undefined &&
    row.userId === userId &&
    row.rememberedId === rememberedId &&
    row.fence === fence &&
    (level === undefined || row.level === level) &&
    !isPast(row, settings.clock.now());
  return isSame ? endOf(row) : undefined;
}
