import { PsessionError } from "../errors.ts";

/** For a value assigned in place of a session; `holder` names the object, such as "req". */
export const replaced = (holder: string): PsessionError =>
  new PsessionError(
    "invalid_data",
    `${holder}.session takes no value but null, which destroys the session; data goes into ${holder}.session.data.`,
  );
