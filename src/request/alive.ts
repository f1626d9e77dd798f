import type { RequestState } from "./state.ts";

/**
 * Whether what a request opened still stands, by a fresh read of its row: not ended, not past a deadline, not
 * given to another sign-in. By ids rather than by cookies: those are exchanged while a connection lasts.
 */
export async function isAlive({ core, standing }: RequestState): Promise<boolean> {
  const { store, clock } = core.settings;
  switch (standing.kind) {
    case "none":
    case "detached":
      return false;
    case "remembered": {
      const found = await store.findRemembered(standing.login.id);
      return found !== undefined && found.login.revokedAt === undefined && isWithin(found.login, clock.now());
    }
    case "live":
    case "late": {
      const { id, userId, rememberedId } = standing.session;
      const row = await store.findSession(id);
      return row?.userId === userId && row?.rememberedId === rememberedId && isWithin(row, clock.now());
    }
  }
}

const isWithin = (
  row: { readonly idleDeadline: number; readonly absoluteDeadline: number } | undefined,
  now: number,
): boolean => row !== undefined && now <= Math.min(row.idleDeadline, row.absoluteDeadline);
