import { sameDigest } from "../secrets.ts";
import type { Ending, ListedSession, Misfit, RememberedRow } from "./store.ts";

/** Whether the conditions of an ending let it end this session. */
export const endsSession = (
  { sessionId, userId, secret }: Pick<Ending, "sessionId" | "userId" | "secret">,
  session: ListedSession,
): boolean =>
  session.id === sessionId &&
  session.userId === userId &&
  (secret === undefined ||
    [session.secret, session.previousSecret, session.retiredSecret].some((held) => sameDigest(secret, held)));

/** Whether a login is in the state that an ending speaks of. */
export function isMisfit({ generation, token }: RememberedRow, misfit: Misfit): boolean {
  return misfit.kind === "behind"
    ? generation < misfit.generation
    : generation === misfit.generation && !sameDigest(token, misfit.token);
}

/** Whether the conditions of an ending let it end this login, named or with its session. */
export const endsLogin = (
  { misfit, token, owner }: Pick<Ending, "misfit" | "token" | "owner">,
  login: RememberedRow,
): boolean =>
  (token === undefined ||
    (owner !== undefined && login.userId === owner) ||
    [login.token, login.previous, login.superseded].some((held) => sameDigest(token, held))) &&
  (misfit === undefined || isMisfit(login, misfit));
