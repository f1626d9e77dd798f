import { decideRemember } from "../protocol/decide.ts";
import { boundByLogin } from "./bound.ts";
import { loginInForce, sessionInForce } from "./limits.ts";
import { ownLoginOf, type RequestState, type Writing } from "./state.ts";

type State = Writing<"keyOfLogin">;

/**
 * The key of the login that the remember cookie names, where the request stands on something else and has not read it. By a
 * token that counts only: no other one says anything.
 */
export async function readKeyOfLogin(state: State): Promise<void> {
  const { core, facts, rememberCookie, arrivedAt } = state;
  const { settings } = core;
  state.keyOfLogin = "none";
  if (rememberCookie.kind !== "valid") return;
  const { id, generation, digest: token } = rememberCookie.cookie;
  const found = await settings.store.findRemembered(id);
  const moment = { now: settings.clock.now(), arrivedAt };
  const login = loginInForce(found?.login, settings);
  if (login === undefined) return;
  const { kind } = decideRemember(login, { generation, token }, moment, settings.times);
  if (!COUNTS.has(kind)) return;
  const session = sessionInForce(found?.session, settings);
  state.keyOfLogin = (await boundByLogin(core, facts, login, session, moment)) ?? "none";
}

const COUNTS: ReadonlySet<string> = new Set(["rotate", "recover", "converge", "accept"]);

/**
 * Whether a sign-in or a sign-out is about to end a login by a remember cookie that nothing was read of: a copy of another
 * user's, beside a session of one's own, must not do that without a proof of the key.
 */
export function endsUnreadLogin({
  core,
  intent,
  keyOfLogin,
  rememberCookie,
  standing,
}: RequestState): boolean {
  const isEnding = intent.kind === "login" || intent.kind === "logout";
  const isUnread = keyOfLogin === undefined && rememberCookie.kind === "valid";
  if (!isEnding || !isUnread || core.settings.deviceBound === undefined) return false;
  return rememberCookie.cookie.id !== ownLoginOf(standing);
}
