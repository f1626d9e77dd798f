import { sameDigest } from "../protocol/secrets.ts";
import type {
  Ending,
  ListedEntry,
  ListedSession,
  LoginEnding,
  Misfit,
  RememberedRow,
  SessionEnding,
  SessionRow,
} from "./store.ts";

/** The handle that an ended device had before, where its rows have one. */
export const handleIn = (...rows: readonly (Pick<SessionRow, "handle"> | undefined)[]) => {
  const handle = rows.find((row) => row?.handle !== undefined)?.handle;
  return handle === undefined ? {} : { handle };
};

/** Whether its conditions let an ending end this session. */
export const endsSession = ({ id, userId, secret }: SessionEnding, session: ListedSession): boolean =>
  session.id === id &&
  (session.userId ?? null) === userId &&
  (secret === undefined ||
    [session.secret, session.previousSecret, session.retiredSecret].some((held) => sameDigest(secret, held)));

/** Whether a login is in the state that an ending speaks of. */
export function isMisfit({ generation, token }: RememberedRow, misfit: Misfit): boolean {
  return misfit.kind === "behind"
    ? generation < misfit.generation
    : generation === misfit.generation && !sameDigest(token, misfit.token);
}

/** Whether its conditions let an ending end this login. */
export const endsLogin = ({ id, misfit, token, orOfUser }: LoginEnding, login: RememberedRow): boolean =>
  login.id === id &&
  (token === undefined ||
    (orOfUser !== undefined && login.userId === orOfUser) ||
    [login.token, login.previous, login.superseded].some((held) => sameDigest(token, held))) &&
  (misfit === undefined || isMisfit(login, misfit));

/** Whether an ending means this device, by either of its rows. */
export const endsDevice = (
  { session, login }: Pick<Ending, "session" | "login">,
  entry: ListedEntry,
): boolean =>
  (session !== undefined && entry.session !== undefined && endsSession(session, entry.session)) ||
  (login !== undefined && entry.login !== undefined && endsLogin(login, entry.login));
