import { reasonOf } from "./errors.ts";

/** For what goes wrong where nobody can be answered any more: loudly, and never with a secret. */
export function warn(code: `PSESSION_${string}`, message: string): void {
  process.emitWarning(message, { code });
}

export const warnOfLateSave = (error: unknown): void =>
  warn(
    "PSESSION_LATE_SAVE",
    `A session could not be saved while its response was being written: ${reasonOf(error)}`,
  );

let hasWarnedOfPlainHttp = false;

/** Where it is meant, as in tests, nobody is warned of it. */
export function expectPlainHttp(): void {
  hasWarnedOfPlainHttp = true;
}

/** Once per process: whoever reads its log knows by then. */
export function warnOfPlainHttp(): void {
  if (hasWarnedOfPlainHttp) return;
  hasWarnedOfPlainHttp = true;
  warn(
    "PSESSION_INSECURE_HTTP",
    "Session cookies travel over plain http (dangerouslyAllowInsecureHttp, or options of express-session without " +
      "cookie.secure): anyone on the way can read and use them. For http://localhost only.",
  );
}
