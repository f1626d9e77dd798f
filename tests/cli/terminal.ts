import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import type { Environment } from "../../src/cli/environment.ts";
import { createProgram, runProgram } from "../../src/cli/program.ts";

/** A person at a terminal: sees what is written there, and presses keys. */
export class Terminal {
  readonly stdout = tty();
  readonly #stdin = tty();
  readonly #stderr = tty();
  readonly #waiting = new Set<() => void>();
  #screen = "";
  #answer = "";

  constructor() {
    this.#stderr.on("data", (chunk) => {
      this.#screen += stripVTControlCharacters(String(chunk));
      for (const look of this.#waiting) look();
    });
    this.stdout.on("data", (chunk) => {
      this.#answer += String(chunk);
    });
  }

  /** What was asked, drawn and hinted, without colours. */
  get screen(): string {
    return this.#screen;
  }

  get answer(): string {
    return this.#answer;
  }

  /** Runs a command; gives its exit code. */
  run(cwd: string, ...values: string[]): Promise<number> {
    const environment: Environment = {
      cwd,
      stdin: this.#stdin,
      stdout: this.stdout,
      stderr: this.#stderr,
      interrupted: new AbortController().signal,
    };
    return runProgram(createProgram(environment), values, this.#stderr);
  }

  /** Waits for a text on the screen that was not seen before, then presses keys. */
  async press(keys: string, when: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        const at = this.#screen.indexOf(when);
        if (at < 0) return;
        this.#waiting.delete(look);
        this.#screen = this.#screen.slice(at + when.length);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
    // Questions listen from the turn after the one that draws them.
    await new Promise(setImmediate);
    this.#stdin.write(keys);
  }
}

export const ENTER = "\r";
export const DOWN = "\u001b[B";
export const CTRL_C = "\u0003";

function tty(): PassThrough & { isTTY: true; columns: number } {
  return Object.assign(new PassThrough(), { isTTY: true as const, columns: 100, rows: 40, setRawMode() {} });
}
