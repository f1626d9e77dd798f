import { isPast } from "../protocol/rows.ts";
import { loginInForce, sessionInForce } from "./limits.ts";
import type { RequestState } from "./state.ts";

/**
 * Whether what a request opened still stands, by a fresh read of its row: not ended, not past a deadline, not
 * given to another sign-in, and its secret not replaced by a proof of a credential or a renewal, after which the old
 * secret gets nothing. Other exchanges of the secret do not end a connection.
 */
export async function isAlive({ core, standing }: RequestState): Promise<boolean> {
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
        row !== undefined &&
        row.userId === userId &&
        row.rememberedId === rememberedId &&
        row.fence === fence &&
        !isPast(row, clock.now())
      );
    }
  }
}
