import { loginInForce } from "./limits.ts";
import { type RequestState, sessionOf, settingsOf, type Writing } from "./state.ts";
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
  const { standing, core } = state;
  const session = sessionOf(standing);
  const id = standing.kind === "remembered" ? undefined : session?.rememberedId;
  const login =
    standing.kind === "remembered"
      ? standing.login
      : id === undefined
        ? undefined
        : loginInForce((await core.settings.store.findRemembered(id))?.login, core.settings);
  const isAlive = login !== undefined && login.revokedAt === undefined;
  const remembered = isAlive ? Math.min(login.idleDeadline, login.absoluteDeadline) : undefined;
  const { clock } = core.settings;
  const { session: lives } = settingsOf(state);
  // A sign-in of this request has no row yet.
  const fresh = { idleDeadline: clock.now() + lives.idle, absoluteDeadline: clock.now() + lives.absolute };
  // Nor is the row of a session that a remembered login brings back in force before that.
  const { idleDeadline: own, absoluteDeadline: end } =
    standing.kind === "live" || standing.kind === "previous" ? standing.session : fresh;
  const idleDeadline = state.use === "extends" ? fresh.idleDeadline : own;
  const absoluteDeadline = Math.min(
    end,
    standing.kind === "remembered" ? standing.login.absoluteDeadline : end,
  );
  return {
    idle: Math.min(idleDeadline, absoluteDeadline),
    absolute: absoluteDeadline,
    remembered,
    now: clock.now(),
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
