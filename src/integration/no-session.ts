import { PsessionError } from "../errors.ts";

/** A guard or route ran without `sessions` before it. `missing`: what to add. */
export const noSession = (missing: string): PsessionError =>
  new PsessionError(
    "no_session",
    `This request has no session: ${missing} before the routes and guards that need it.`,
  );
