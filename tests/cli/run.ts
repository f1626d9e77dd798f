import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const BINARY = fileURLToPath(new URL("../../dist/cli.cjs", import.meta.url));

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What `--json` answered. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came.
  readonly json: any;
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
      else
        resolve({
          code: child.exitCode ?? -1,
          stdout,
          stderr,
          get json() {
            return JSON.parse(stdout);
          },
        });
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
