import type { Readable, Writable } from "node:stream";

export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Everything that commands touch besides the database. */
export interface Environment {
  readonly cwd: string;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** Answers, and nothing else: it may be a pipe. */
  readonly stdout: Output;
  /** Questions, progress, hints and errors. */
  readonly stderr: Output;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
}
