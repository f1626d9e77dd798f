/**
 * Words that have gone: of each thing there is one name. A line that needs one all the same, such as a migration guide
 * that names what another library has, stands in EXCEPT. GONE_IN_PAGES holds for the prose of pages only.
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

/** Of pages: sentences that name who acts, and verbs for what a program does. */
const GONE_IN_PAGES: readonly (readonly [RegExp, string])[] = [
  [/\b(?:told|tells?|telling)\b/, "emit, report, log, say or notify"],
  [/(?:^|[.:;] |[|*-] )Who\b(?!.*\?)/, "a user who, a request that"],
  [/\b(?:by|for|from|of|only|than|to) who\b/, "a user who, a request that"],
  [/\b[Ww]hoever\b/, "anyone who, a client that"],
  [/\bof ours\b|\b(?:any|every|no)body's\b/, "whose it is, by a noun"],
  [/\b[Vv]aults?\b|\b[Ss]ealed\b/, "encryption, encrypted"],
  [/\b(?:is|are|was|were|been) given up\b/, "dropped, discarded or superseded"],
  [/\b(?:is|are) (?:then )?(?:believed|judged)\b/, "trust, decide about"],
];

/** Code, quoted words, addresses of links and titles of tests are as they are. */
const NO_PROSE = /```[\s\S]*?```|`(?:tests|src)\/[^`]*`: [^|<\n]*|`[^`\n]*`|"[^"\n]*"|\]\([^)\n]*\)/g;

const proseOf = (page: string): string =>
  page.replaceAll(NO_PROSE, (whole) => whole.replaceAll(/[^\n]/g, " "));

/** Lines in which a word means a framework's own thing. */
const EXCEPT = /Gateways are not reached|adapter-node|adapter: adapter|SvelteKit.s adapter/;

const files = execFileSync(
  "git",
  ["ls-files", "src", "docs", "examples", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"],
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
  const text = readFileSync(join(ROOT, file), "utf8");
  check(file, text, GONE);
  if (file.endsWith(".md")) check(file, proseOf(text), GONE_IN_PAGES);
}
if (faults.length > 0) {
  console.error(faults.map((fault) => `- ${fault}`).join("\n"));
  process.exit(1);
}
console.log(`${files.length} files have one word for each thing.`);

function check(file: string, text: string, gone: typeof GONE): void {
  for (const [at, line] of text.split("\n").entries()) {
    if (EXCEPT.test(line)) continue;
    for (const [word, instead] of gone) {
      const [found] = word.exec(line) ?? [];
      if (found !== undefined) faults.push(`${file}:${at + 1} says "${found.trim()}": write ${instead}`);
    }
  }
}
