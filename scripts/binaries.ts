import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** Where the run times are kept, each in a folder of its name. */
export const BINARIES = resolve(import.meta.dirname, "../.tmp/runtimes");

const { platform, arch } = process;
const libc = platform === "linux" ? "-glibc" : "";
const node = (version: string) => [`node-${platform}-${arch}@${version}`, "bin/node"] as const;

/** Packages of npm's registry, in exact versions, and where their binary is. */
const PACKAGES = {
  bun: [`@oven/bun-${platform}-${arch === "arm64" ? "aarch64" : arch}@1.4.5`, "bin/bun"],
  deno: [`@deno/${platform}-${arch}${libc}@2.9.6`, "deno"],
  node22: node("22.13.0"),
  node23: node("23.11.1"),
  node25: node("25.9.0"),
  node26: node("26.9.0"),
} as const;

export type Binary = keyof typeof PACKAGES;

/**
 * The path of a binary, installed where it is missing. Undefined where it cannot be had, which is said; whoever asks has
 * to see to it that this is a failure with CI set.
 */
export function binaryOf(name: Binary): string | undefined {
  const [spec, file] = PACKAGES[name];
  const [, source = "", version = ""] = /^(.+)@([^@]+)$/.exec(spec) ?? [];
  const folder = join(BINARIES, name);
  const home = join(folder, "node_modules", source);
  if (versionIn(home) === version) return join(home, file);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  // The binaries come in the packages themselves: no script has to be run.
  const values = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--force", spec];
  const { status, stderr } = spawnSync("npm", values, { cwd: folder, encoding: "utf8" });
  if (status === 0 && versionIn(home) === version) return join(home, file);
  console.log(stderr);
  console.log(`${spec} cannot be had${process.env["CI"] ? "" : ", and is left out"}.`);
  return undefined;
}

function versionIn(home: string): string | undefined {
  try {
    const text = readFileSync(join(home, "package.json"), "utf8");
    // Older packages of Node say v22.13.0.
    return (JSON.parse(text) as { version: string }).version.replace(/^v/, "");
  } catch {
    return undefined;
  }
}
