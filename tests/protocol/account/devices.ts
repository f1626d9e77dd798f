import type { RememberedRow, SessionRow } from "../../../src/stores/store.ts";
import type { Rows } from "../rows.ts";

/** What lists call a device, by its session or its login. */
export const handleOf = (row: SessionRow | RememberedRow): string =>
  row.handle ?? ("rememberedId" in row ? row.rememberedId : undefined) ?? row.id;

export interface Device {
  readonly handle: string;
  readonly user: unknown;
  readonly sessionId: string | undefined;
  readonly loginId: string | undefined;
}

/** Those that are signed in, or would be by their remember cookie. */
export function devicesIn({ sessions, logins }: Rows, now: number): Device[] {
  const isAlive = ({ idleDeadline, absoluteDeadline }: SessionRow | RememberedRow) =>
    now <= Math.min(idleDeadline, absoluteDeadline);
  const own = [...sessions.values()].filter(
    ({ userId, level, actorUserId }) =>
      userId !== undefined && level !== "trust" && actorUserId === undefined,
  );
  const logged = [...logins.values()].filter((row) => row.revokedAt === undefined && isAlive(row));
  const bySession = own
    .filter((row) => isAlive(row) || logged.some(({ id }) => id === row.rememberedId))
    .map((row) => ({
      handle: handleOf(row),
      user: row.userId,
      sessionId: row.id,
      loginId: row.rememberedId,
    }));
  const alone = logged
    .filter(({ id }) => !own.some(({ rememberedId }) => rememberedId === id))
    .map((row) => ({ handle: handleOf(row), user: row.userId, sessionId: undefined, loginId: row.id }));
  return [...bySession, ...alone];
}
