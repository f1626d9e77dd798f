import { readTrustCookie } from "../http/cookies.ts";
import { sameDigest } from "../protocol/secrets.ts";
import type { SessionRow, UserId } from "../stores/store.ts";
import { handleOf } from "./rows.ts";
import type { Writing } from "./state.ts";

type State = Writing<"trust">;

/** The record by which this user trusts this browser, by one read where the browser sends such a cookie. */
export async function recordOf(state: State, userId: UserId): Promise<SessionRow | undefined> {
  const { settings } = state.core;
  if (state.trust === undefined) {
    const cookie = readTrustCookie(state.facts.cookie, settings.cookies.trust.name, settings.keys);
    if (cookie.kind !== "valid") return undefined;
    const row = await settings.store.findSession(cookie.cookie.id);
    const isRight = row?.level === "trust" && sameDigest(cookie.cookie.digest, row.secret);
    if (!isRight) return undefined;
    state.trust = row;
  }
  const { trust } = state;
  const isAlive = settings.clock.now() <= trust.absoluteDeadline;
  return trust.userId === userId && isAlive ? trust : undefined;
}

/** A new sign-in on a trusted browser is another device for lists: the trust belongs to that one now, and ends with it. */
export async function followSignIn(state: State, session: SessionRow): Promise<void> {
  const { settings, events } = state.core;
  const { userId } = session;
  if (userId === undefined) return;
  try {
    const record = await recordOf(state, userId);
    const set = { handle: handleOf(session) };
    if (record === undefined || record.handle === set.handle) return;
    const { id, version } = record;
    await settings.store.apply({ kind: "save", update: { id, version, owner: userId, set } });
    state.trust = { ...record, ...set, version: version + 1 };
  } catch (error) {
    // The user is signed in. Lists show the trust by itself.
    events.emit("storeUnavailable", { at: settings.clock.now(), error });
  }
}
