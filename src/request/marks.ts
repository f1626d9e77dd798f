import { hash } from "node:crypto";
import { PsessionError } from "../errors.ts";
import type { Settings } from "../options/settings.ts";
import type { Mark, UserId } from "../stores/store.ts";

/*
 * A mark is a time before which a user's proofs no longer count: a sign-in that checked the old password, and
 * is still on its way when the password is changed, must not end up signed in.
 */

/** A proof older than this signs no user in, so that marks need not be kept for longer. */
export const PROOF_LIFE = 3_600_000;

const nameOf = (...parts: readonly string[]): string => hash("sha256", JSON.stringify(parts), "base64url");

/** Names say nothing of the user: ids may be of any length and alphabet. 7 and "7" are two. */
export const markOfUser = (userId: UserId): string => nameOf(typeof userId, String(userId));

export const MARK_OF_EVERYONE = nameOf();

export function markAt(name: string, at: number, { times }: Settings): Mark {
  return { name, ofEveryone: name === MARK_OF_EVERYONE, at, until: at + PROOF_LIFE + times.skew };
}

/** The marks that a proof of this user is compared with. */
export const marksOf = (userId: UserId): readonly string[] => [markOfUser(userId), MARK_OF_EVERYONE];

/** What each request has marked itself: a reset by link changes the password, and then signs in. */
const own = new WeakMap<object, Map<string, number>>();
const NONE: ReadonlyMap<string, number> = new Map();

export const ownMarks = (request: object): ReadonlyMap<string, number> => own.get(request) ?? NONE;

export function rememberOwnMark(request: object, { name, at }: Mark): void {
  const marks = own.get(request) ?? new Map<string, number>();
  own.set(request, marks.set(name, at));
}

/** The time of a proof that knew what this very request has marked: it had the new credential. */
export function afterOwnMarks(request: object, marks: readonly string[], provedAt: number): number {
  const own = ownMarks(request);
  return Math.max(provedAt, ...marks.map((name) => (own.get(name) ?? 0) + 1));
}

export const outdatedProof = (): PsessionError =>
  new PsessionError(
    "proof_outdated",
    "The credential was checked before something that makes such proofs worthless: a changed password, revokeUser or " +
      "revokeEveryone, or more than an hour ago. Check it again; provedAt says when it was checked.",
    { status: 401 },
  );
