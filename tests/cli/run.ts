import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const BINARY = fileURLToPath(new URL("../../dist/cli.cjs", import.meta.url));

export class Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;

  constructor(code: number, stdout: string, stderr: string) {
    this.code = code;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** What `--json` answered; read when it is asked for, as a failed test prints everything else. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came.
  get json(): any {
    return JSON.parse(this.stdout);
  }
}

export interface Surroundings {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Runs the command that the package installs, as it was built. */
export function psession(...values: string[]): Promise<Ran> {
  return psessionIn({}, ...values);
}

/** The same, in a folder, with variables. */
export function psessionIn({ cwd, env }: Surroundings, ...values: string[]): Promise<Ran> {
  assertBuilt();
  return new Promise((resolve, reject) => {
    const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(process.execPath, [BINARY, ...values], options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve(new Ran(child.exitCode ?? -1, stdout, stderr));
    });
    // Nobody sits there.
    child.stdin?.end();
  });
}

/** A command that goes on, and is read line by line. */
export interface Running {
  readonly lines: AsyncIterator<string>;
  readonly errors: AsyncIterator<string>;
  /** Ctrl-C; gives the exit code. */
  interrupt(): Promise<number | null>;
}

export function startPsession({ cwd, env }: Surroundings, ...values: string[]): Running {
  assertBuilt();
  const child = spawn(process.execPath, [BINARY, ...values], { cwd, env: { ...process.env, ...env } });
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const linesOf = (stream: NodeJS.ReadableStream) => createInterface(stream)[Symbol.asyncIterator]();
  return {
    lines: linesOf(child.stdout),
    errors: linesOf(child.stderr),
    interrupt: () => {
      child.kill("SIGINT");
      return ended;
    },
  };
}

function assertBuilt(): void {
  if (!existsSync(BINARY)) throw new Error("dist/cli.cjs is missing: npm run build makes it.");
}
