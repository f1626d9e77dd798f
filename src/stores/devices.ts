import { endOf, isSession } from "../protocol/rows.ts";
import type { Cap, ChangeParts, Ended, EndSelector, ListedEntry, UserEntry, UserId } from "./store.ts";

/** The record that a user trusts a browser: no device, and it does not count as one. */
export const isTrust = ({ session }: ListedEntry): boolean => session?.level === "trust";

/** The record of a key that a session is bound to: nobody's device either. */
export const isBinding = ({ session }: ListedEntry): boolean => session?.level === "binding";

/** A session in which an administrator acts as the user: none of the user's devices either. */
export const isActedIn = ({ session }: ListedEntry): boolean => session?.actorUserId !== undefined;

/** A place where the user is signed in, or may come back by a cookie. */
export const isDevice = (entry: ListedEntry): boolean =>
  (entry.session === undefined || isSession(entry.session)) && !isActedIn(entry);

/** What an end reports of it. */
export const recordMark = (session: { readonly level: string } | undefined): Pick<Ended, "isRecord"> =>
  session === undefined || isSession(session) ? {} : { isRecord: true };

/** When a user's device was last used. */
export const lastUse = ({ session, login }: ListedEntry): number =>
  Math.max(session?.lastSeenAt ?? 0, login?.lastUsedAt ?? 0);

/** When a device ends by itself. */
export const deadlineOf = ({ session, login }: ListedEntry): number =>
  Math.max(session === undefined ? 0 : endOf(session), login === undefined ? 0 : endOf(login));

/** The session's row counts where there is one: the login's keeps the tag that it was made with. */
export const tagOfDevice = ({ session, login }: ListedEntry): string | undefined =>
  session === undefined ? login?.tag : session.tag;

/** Both ids of a device end with the text of its realm. */
export const isInRealm = ({ session, login }: ListedEntry, realm: string | undefined): boolean =>
  realm === undefined || (session ?? login)?.id.endsWith(realm) === true;

/** Whether a selector means this device; unless its rows are locked, another request may be changing it. */
export function isMeant(
  entry: ListedEntry,
  { handle, userId, except, realm, lastUsedBefore }: EndSelector,
): boolean {
  const { session, login } = entry;
  const has = (id: string) => session?.id === id || login?.id === id;
  return (
    (userId === undefined || (session?.userId ?? login?.userId) === userId) &&
    (handle === undefined || has(handle)) &&
    (except === undefined || !has(except)) &&
    isInRealm(entry, realm) &&
    (lastUsedBefore === undefined || (lastUse(entry) < lastUsedBefore && !isBinding(entry)))
  );
}

/** What a change has written, which its endings and caps spare. */
export interface Spared {
  readonly sessionId: string | undefined;
  readonly loginId: string | undefined;
}

/** The users whose rows a change writes or counts. */
export const usersOf = ({ remember, insert, update, caps = [] }: ChangeParts): UserId[] =>
  [remember?.userId, insert?.userId, update?.set.userId, ...caps.map(({ userId }) => userId)].filter(
    (userId) => userId !== undefined,
  );

/** What a change writes, and its endings and caps therefore spare. */
export const sparedBy = ({ remember, insert, update }: ChangeParts): Spared => ({
  sessionId: insert?.id ?? update?.id,
  loginId: remember?.id,
});

/** Whether a change spares this device. */
export const isSpared = ({ session, login }: ListedEntry, { sessionId, loginId }: Spared): boolean =>
  (session !== undefined && session.id === sessionId) || (login !== undefined && login.id === loginId);

/** A user's devices that are too many, the longest unused first. */
function beyondCap(
  entries: readonly ListedEntry[],
  { max, at, tag, realm }: Cap,
  spared: Spared,
): ListedEntry[] {
  const others = entries.filter(
    (entry) =>
      isDevice(entry) &&
      !isSpared(entry, spared) &&
      deadlineOf(entry) >= at &&
      isInRealm(entry, realm) &&
      (tag === undefined || tagOfDevice(entry) === tag),
  );
  const excess = Math.max(0, others.length + 1 - max);
  return others.sort((a, b) => lastUse(a) - lastUse(b)).slice(0, excess);
}

/** What each cap ends. What an earlier one ends the next does not count. */
export function excessOf(
  entries: readonly ListedEntry[],
  caps: readonly Cap[],
  spared: Spared,
): { readonly cap: Cap; readonly excess: readonly ListedEntry[] }[] {
  let left = entries;
  return caps.map((cap) => {
    const excess = beyondCap(left, cap, spared);
    left = left.filter((entry) => !excess.includes(entry));
    return { cap, excess };
  });
}

/** An entry as a list has it. */
export function listed({ session, login }: UserEntry): ListedEntry {
  if (session === undefined) return { session, login };
  const { data: _, ...rest } = session;
  return { session: rest, login };
}

/** What a selector means. One that names nothing ends nothing: its caller forgot something. */
export function targetOf({ handle, userId, everyone }: EndSelector): "some" | "everyone" | "nothing" {
  if (handle !== undefined || userId !== undefined) return "some";
  return everyone === true ? "everyone" : "nothing";
}
