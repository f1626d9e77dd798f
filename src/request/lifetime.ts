import { endOf } from "../protocol/rows.ts";
import { ownLogin } from "./intents.ts";
import { sessionDeadlines } from "./rows.ts";
import { isOnSession } from "./standing.ts";
import { type RequestState, settingsOf, type Writing } from "./state.ts";
import { signedIn } from "./use.ts";

/** When a session ends, unless it ends earlier: a logout, a revocation. Epoch milliseconds. */
export interface EndsAt {
  /** Without another use of the session. */
  readonly idle: number;
  /** Whatever its use. */
  readonly absolute: number;
  /** When the remembered login ends, which would bring the user back; undefined without one. */
  readonly remembered: number | undefined;
  /** Now, by the same clock: a visitor's own may be wrong. */
  readonly now: number;
}

/** By the row as it was read: what this request itself adds comes on top. */
export async function endsAt(state: RequestState): Promise<EndsAt> {
  signedIn(state);
  const { standing, core, use } = state;
  const login = await ownLogin(state);
  const now = core.settings.clock.now();
  // A sign-in of this request has no row yet, nor has a session in force that a remembered login brings back.
  const notAfter = standing.kind === "remembered" ? standing.login.absoluteDeadline : undefined;
  const fresh = sessionDeadlines(now, settingsOf(state), notAfter);
  const row = isOnSession(standing) ? standing.session : fresh;
  const absolute = row.absoluteDeadline;
  return {
    idle: Math.min(use === "extends" ? fresh.idleDeadline : row.idleDeadline, absolute),
    absolute,
    remembered: login === undefined || login.revokedAt !== undefined ? undefined : endOf(login),
    now,
  };
}

/** This request does not count as a use of the session, as of a page that only polls. */
export function bePassive(state: Writing<"use">): void {
  state.use = "none";
}

/** This request counts as a use, and is recorded at once: not only every `session.touchEvery`. */
export function extend(state: Writing<"use">): void {
  signedIn(state);
  state.use = "extends";
}
