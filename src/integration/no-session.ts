import { PsessionError } from "../errors.ts";

/** Whoever needs a session stands before what gives it, or beside it. `missing`: what to put where. */
export const noSession = (missing: string): PsessionError =>
  new PsessionError(
    "no_session",
    `This request has no session: ${missing} before the routes and guards that need it.`,
  );
