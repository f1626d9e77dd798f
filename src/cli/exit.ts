/** The exit codes. They are API: scripts depend on them. */
export const EXIT = {
  ok: 0,
  /** Something failed, or `doctor` found a fault. */
  failed: 1,
  /** The command was not understood; nothing was done. */
  usage: 2,
  /** The question was answered with no; nothing was done. */
  declined: 3,
} as const;

/** Ends a command with a sentence and an exit code. */
export class Stop extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
