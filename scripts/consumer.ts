import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "..");
const MODULES = join(ROOT, "node_modules");

const folders: string[] = [];
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone when this process ends. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `psession-${name}-`));
  folders.push(folder);
  return folder;
}

/** The tarball that npm would publish of what is built. */
export function pack(): string {
  const folder = temporaryFolder("pack");
  const values = ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder];
  execFileSync("npm", values, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  const [file = ""] = readdirSync(folder);
  return join(folder, file);
}

export interface Installed {
  /** The only packages that are there; everything that this repository has where it is not given. */
  readonly only?: readonly string[];
  readonly except?: readonly string[];
  /** By name, other packages in their place. */
  readonly instead?: Readonly<Record<string, string>>;
}

/** An application with psession as the tarball installs it; all else is linked to what this repository has. */
export function makeConsumer(tarball: string, { only, except = [], instead = {} }: Installed = {}): string {
  const folder = temporaryFolder("consumer");
  const modules = join(folder, "node_modules");
  const home = join(modules, "psession");
  mkdirSync(home, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", home, "--strip-components", "1"]);
  for (const name of only ?? packagesHere()) {
    if (except.includes(name)) continue;
    const link = join(modules, name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(MODULES, instead[name] ?? name), link);
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  return folder;
}

function packagesHere(): string[] {
  const names = readdirSync(MODULES).flatMap((name) =>
    name.startsWith("@") ? readdirSync(join(MODULES, name)).map((inner) => `${name}/${inner}`) : [name],
  );
  return names.filter((name) => !name.startsWith(".") && existsSync(join(MODULES, name, "package.json")));
}

export interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end; for what it has printed to both streams. */
export function run(
  program: string,
  values: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  return new Promise((done, fail) => {
    // A test runner must not look like one that was started by another.
    const { NODE_OPTIONS: _options, VITEST: _vitest, ...inherited } = process.env;
    const child = spawn(program, values, { cwd, env: { ...inherited, NO_COLOR: "1", ...env } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += String(text)));
    child.once("error", fail);
    child.once("close", (code) => done({ code, output }));
  });
}

/** Runs everything, two at a time. */
export async function inPairs(work: readonly (() => Promise<void>)[]): Promise<void> {
  const rest = [...work];
  const go = async (): Promise<void> => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) await next();
  };
  await Promise.all([go(), go()]);
}
