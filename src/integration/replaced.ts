import { PsessionError } from "../errors.ts";

/** For what is put in place of a session; `holder` is what holds it. */
export const replaced = (holder: string): PsessionError =>
  new PsessionError(
    "invalid_data",
    `${holder}.session takes no value but null, which destroys the session; data goes into ${holder}.session.data.`,
  );
