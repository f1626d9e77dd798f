import { execFile } from "node:child_process";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Files that git tracks in the repository of this folder; undefined where there is none, or no git. */
export async function trackedFiles(folder: string): Promise<readonly string[] | undefined> {
  try {
    const { stdout: top } = await run("git", ["-C", folder, "rev-parse", "--show-toplevel"]);
    const root = top.trimEnd();
    const { stdout } = await run("git", ["-C", root, "ls-files", "-z"], { maxBuffer: 256 * 1024 * 1024 });
    return stdout
      .split("\0")
      .filter((name) => name !== "")
      .map((name) => join(root, name));
  } catch {
    return undefined;
  }
}

export async function isTracked(file: string): Promise<boolean> {
  try {
    const { stdout } = await run("git", ["-C", dirname(file), "ls-files", "-z", "--", basename(file)]);
    return stdout !== "";
  } catch {
    return false;
  }
}

/** Whether git would leave this file out; undefined where there is no repository, or no git. */
export async function isIgnored(file: string): Promise<boolean | undefined> {
  try {
    await run("git", ["-C", dirname(file), "check-ignore", "-q", "--", basename(file)]);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 1 ? false : undefined;
  }
}
