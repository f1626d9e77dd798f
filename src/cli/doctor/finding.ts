/** error: something is broken or unsafe. warning: something will go wrong. note: nothing wrong, or not seen. */
export type Severity = "error" | "warning" | "note";

export interface Finding {
  /** Stable: scripts may depend on it. */
  readonly code: string;
  readonly severity: Severity;
  /** What will go wrong. Holds no secret. */
  readonly message: string;
  /** What to do; undefined where the message says it. */
  readonly remedy: string | undefined;
}

const finding =
  (severity: Severity) =>
  (code: string, message: string, remedy?: string): Finding => ({ code, severity, message, remedy });

export const error = finding("error");
export const warning = finding("warning");
export const note = finding("note");
