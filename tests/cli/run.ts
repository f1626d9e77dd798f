import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const BINARY = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command that the package installs, as it was built. */
export function psession(...values: string[]): Promise<Ran> {
  if (!existsSync(BINARY)) throw new Error("dist/cli/main.js is missing: npm run build makes it.");
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [BINARY, ...values], (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}
