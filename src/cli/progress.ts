import { progress, spinner } from "@clack/prompts";
import type { Environment } from "./environment.ts";

export interface Progress {
  advance(by: number, message: string): void;
  done(message: string): void;
  failed(message: string): void;
}

const SILENT: Progress = { advance() {}, done() {}, failed() {} };

/** A bar for people at a terminal; pipes and `--json` get none. */
export function showProgress(
  { stderr: output }: Environment,
  { message, most, isQuiet }: { message: string; most?: number; isQuiet: boolean | undefined },
): Progress {
  if (isQuiet === true || output.isTTY !== true) return SILENT;
  const bar = most === undefined ? undefined : progress({ output, max: Math.max(1, most) });
  const shown = bar ?? spinner({ output });
  shown.start(message);
  return {
    advance: (by, text) => (bar === undefined ? shown.message(text) : bar.advance(by, text)),
    done: (text) => shown.stop(text),
    failed: (text) => shown.error(text),
  };
}
