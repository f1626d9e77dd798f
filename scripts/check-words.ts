/**
 * Words that have gone: of each thing there is one name. A line that needs one all the same, such as a migration guide
 * that names what another library has, stands in EXCEPT.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");

const GONE: readonly (readonly [RegExp, string])[] = [
  [/\b[Aa]dapters?\b/, "integration"],
  [/\b[Ff]aces?\b|\b\w+Face\b/, "integration"],
  [/\bendOldest\b/, "evictOldest"],
  [/\btellNew\b/, "detectNew"],
  [/\bdevices\.most\b/, "devices.max"],
  [/\bof (?:theirs|everybody)\b/, "whose it is, by a noun"],
  [/\bas many \w+ as may be\b/, "the limit"],
  [/\ba most of\b/, "a limit"],
];

/** Lines in which a word means a framework's own thing. */
const EXCEPT = /Gateways are not reached/;

const files = execFileSync(
  "git",
  ["ls-files", "src", "docs", "examples", "README.md", "CONTRIBUTING.md", "SECURITY.md"],
  {
    cwd: ROOT,
    encoding: "utf8",
  },
)
  .trim()
  .split("\n")
  .filter((file) => /\.(ts|js|md)$/.test(file));
const faults: string[] = [];
for (const file of files) {
  for (const [at, line] of readFileSync(join(ROOT, file), "utf8").split("\n").entries()) {
    if (EXCEPT.test(line)) continue;
    for (const [word, instead] of GONE) {
      const [found] = word.exec(line) ?? [];
      if (found !== undefined) faults.push(`${file}:${at + 1} says "${found}": write ${instead}`);
    }
  }
}
if (faults.length > 0) {
  console.error(faults.map((fault) => `- ${fault}`).join("\n"));
  process.exit(1);
}
console.log(`${files.length} files have one word for each thing.`);
