import { hash } from "node:crypto";
import { realmOf } from "../protocol/secrets.ts";
import type { AuditEntry, AuditErasure } from "./audit.ts";
import { recordMark } from "./devices.ts";
import type { Ended, RememberedRow, SessionRow, UserId } from "./store.ts";

/*
 * What is left of a user who was erased: the mark that keeps entries away which wait in some process. It is a digest of
 * the id and the realm, so that entries of a user of the same id in another realm are not concerned.
 */

/** The name of the mark of an erased user. */
export const erasureName = (userId: UserId, realm: string): string =>
  hash("sha256", JSON.stringify(["erased", typeof userId, String(userId), realm]), "base64url");

/** The names of the marks that an entry is compared with. */
export const erasuresOf = ({ id, userId, actorId }: AuditEntry): string[] =>
  [userId, actorId].flatMap((one) => (one === undefined ? [] : erasureName(one, realmOf(id))));

/** The entry as it may be kept; undefined where its user was erased. */
export function unerased(entry: AuditEntry, isErased: (mark: string) => boolean): AuditEntry | undefined {
  const { id, userId, actorId } = entry;
  const isGone = (one: UserId | undefined) => one !== undefined && isErased(erasureName(one, realmOf(id)));
  if (isGone(userId)) return undefined;
  return isGone(actorId) ? withoutActor(entry, NOBODY) : entry;
}

/** In the place of who acted, where only the mark is left of them. */
export const NOBODY = "erased";

/** Event and time stay. */
export const withPseudonym = ({ id, at, event }: AuditEntry, pseudonym: string): AuditEntry => ({
  id,
  at,
  event,
  userId: undefined,
  actorId: undefined,
  handle: pseudonym,
  address: undefined,
  detail: undefined,
});

/** Another user's entry, who is to know what was done to the account, if no longer by whom. */
export const withoutActor = (entry: AuditEntry, pseudonym: string): AuditEntry => ({
  ...entry,
  actorId: undefined,
  detail: detailWithout(entry, pseudonym),
});

const detailWithout = ({ actorId, detail }: AuditEntry, pseudonym: string): string | undefined =>
  actorId !== undefined && detail?.startsWith(byActor(actorId)) === true
    ? byActor(pseudonym) + detail.slice(byActor(actorId).length)
    : detail;

/** How the detail of an entry begins where somebody acted as the user. */
export const byActor = (actorId: UserId): string => `by ${actorId}`;

/** What an erasure makes of an entry; undefined where it is deleted. */
export const erasedEntry = (
  entry: AuditEntry,
  { userId, entries, pseudonym }: AuditErasure,
): AuditEntry | undefined => {
  if (entry.userId !== userId) return withoutActor(entry, pseudonym);
  return entries === "delete" ? undefined : withPseudonym(entry, pseudonym);
};

/** Whether a row names a user: as its own, as one whose sign-in waits, or as the one who acts. */
export const namesUser = (
  row: Pick<SessionRow, "userId" | "pendingUserId" | "actorUserId"> | Pick<RememberedRow, "userId">,
  userId: UserId,
): boolean =>
  row.userId === userId ||
  ("pendingUserId" in row && (row.pendingUserId === userId || row.actorUserId === userId));

type Erased<Row> = readonly (Pick<Row & { readonly id: string }, "id"> & Partial<Row>)[];

/** What an erasure reports of the rows that it has deleted. */
export const endedRows = (
  rows: { readonly sessions: Erased<SessionRow>; readonly logins: Erased<RememberedRow> },
  userId: UserId,
): Ended[] => [
  ...rows.sessions.map(({ id, level = "anonymous" }) => ({
    ...{ sessionId: id, rememberedId: undefined, userId, reason: "erased" },
    ...recordMark({ level }),
  })),
  ...rows.logins.map(({ id }) => ({ sessionId: undefined, rememberedId: id, userId, reason: "erased" })),
];
