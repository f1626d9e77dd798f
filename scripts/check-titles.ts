/** Whoever searches for the title of a suite or a test finds it: no file has the same one twice. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const TESTS = resolve(import.meta.dirname, "../tests");

/** With modifiers and tables of values, and with what else comes before the title: needs, a list of stores. */
const TITLE =
  /^\s*(?:test|describe(?:With|Stores)?)(?:\.\w+)*(?:\((?!["`]).*?\))?\((?:[\w.]+, )?\s*("(?:[^"\\]|\\.)*"|`[^`]*`)/gm;
/** A title that its values make: they are what is searched for. */
const OF_VALUES = /^.(?:%s|\$\w+|\$\{[^}]*\}).$/;

const files = readdirSync(TESTS, { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".test.ts"),
);
const faults: string[] = [];
for (const file of files) {
  const seen = new Set<string>();
  for (const [, title = ""] of readFileSync(join(TESTS, file), "utf8").matchAll(TITLE)) {
    if (seen.has(title) && !OF_VALUES.test(title)) faults.push(`tests/${file} has two of ${title}`);
    seen.add(title);
  }
}
if (faults.length > 0) {
  console.error(faults.map((fault) => `- ${fault}`).join("\n"));
  process.exit(1);
}
console.log(`No title occurs twice in any of ${files.length} files of tests.`);
