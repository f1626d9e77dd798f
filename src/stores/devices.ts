import type { Cap, EndSelector, UserEntry } from "./store.ts";

/** When a user's device was last used. */
export const lastUse = ({ session, login }: UserEntry): number =>
  Math.max(session?.lastSeenAt ?? 0, login?.lastUsedAt ?? 0);

/** When a device ends by itself. */
export const deadlineOf = ({ session, login }: UserEntry): number =>
  Math.max(
    session === undefined ? 0 : Math.min(session.idleDeadline, session.absoluteDeadline),
    login === undefined ? 0 : Math.min(login.idleDeadline, login.absoluteDeadline),
  );

/** The session's row counts where there is one: the login's has what it was made with. */
export const tagOfDevice = ({ session, login }: UserEntry): string | undefined =>
  session === undefined ? login?.tag : session.tag;

/** What a change makes, which a cap counts and never ends. */
export interface Spared {
  readonly sessionId: string | undefined;
  readonly loginId: string | undefined;
}

/** A user's devices that are too many, the longest unused first. */
export function beyondCap(
  entries: readonly UserEntry[],
  { most, at, tag }: Cap,
  spared: Spared,
): UserEntry[] {
  const isSpared = ({ session, login }: UserEntry) =>
    (session !== undefined && session.id === spared.sessionId) ||
    (login !== undefined && login.id === spared.loginId);
  const others = entries.filter(
    (entry) =>
      !isSpared(entry) && deadlineOf(entry) >= at && (tag === undefined || tagOfDevice(entry) === tag),
  );
  const excess = Math.max(0, others.length + 1 - most);
  return others.sort((a, b) => lastUse(a) - lastUse(b)).slice(0, excess);
}

/** What a selector means. One that names nothing ends nothing: somebody forgot something. */
export function targetOf({ handle, userId, everyone }: EndSelector): "some" | "everyone" | "nothing" {
  if (handle !== undefined || userId !== undefined) return "some";
  return everyone === true ? "everyone" : "nothing";
}
