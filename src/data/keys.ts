import { PsessionError } from "../errors.ts";

/** Levels of nesting that data may have: whoever walks it must not run out of stack. */
export const DEEPEST = 64;

/** Keys that reach an object's prototype; refused at every depth. */
export const isForbidden = (key: string): boolean =>
  key === "__proto__" || key === "constructor" || key === "prototype";

export function refuseKey(key: string): void {
  if (isForbidden(key)) throw forbidden(key);
}

export const forbidden = (key: string): PsessionError =>
  new PsessionError("invalid_data", `"${key}" cannot be a key of session data.`);

export const tooDeep = (): PsessionError =>
  new PsessionError("invalid_data", `Session data is nested deeper than ${DEEPEST} levels, or in a circle.`);

/** Keys of what is kept beside the data, in the same text, so that it is merged and saved with it. */
export const ASIDE = "psession:";

export const isAside = (key: string): boolean => key.startsWith(ASIDE);

/** For keys that the application chooses at the top of its data. */
export function refuseTopKey(key: string): void {
  if (isAside(key))
    throw new PsessionError("invalid_data", `Keys that begin with "${ASIDE}" are psession's own.`);
  refuseKey(key);
}
