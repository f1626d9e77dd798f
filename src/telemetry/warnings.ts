import { reasonOf } from "../errors.ts";

const warned = new Set<string>();

/** Once per process and code: repeating it would only fill the log. */
export function warnOnce(code: `PSESSION_${string}`, message: string): void {
  if (warned.has(code)) return;
  warned.add(code);
  warn(code, message);
}

/** For failures that no response can report any more. `message` must hold no secret. */
export function warn(code: `PSESSION_${string}`, message: string): void {
  process.emitWarning(message, { code });
}

export const warnOfSaveAfterHead = (error: unknown): void =>
  warn(
    "PSESSION_SAVE_AFTER_HEAD",
    `A session could not be saved while its response was being written: ${reasonOf(error)}`,
  );

const PLAIN_HTTP = "PSESSION_INSECURE_HTTP";

/** Turns the warning off where plain http is meant, as in tests. */
export const expectPlainHttp = (): void => void warned.add(PLAIN_HTTP);

export const warnOfPlainHttp = (): void =>
  warnOnce(
    PLAIN_HTTP,
    "Session cookies travel over plain http (dangerouslyAllowInsecureHttp, or options of express-session without " +
      "cookie.secure): anyone on the way can read and use them. For http://localhost only.",
  );
