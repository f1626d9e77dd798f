import { existsSync, readFileSync } from "node:fs";

const NAMED = /`((?:tests|src|scripts)\/[\w/.-]+\.ts)`: ([^|<\n]+)/g;

/** What a page says that a test shows: every test it names has to be there, under that name. */
export function missingTests(page: string): string[] {
  const faults: string[] = [];
  const named = [...readFileSync(page, "utf8").matchAll(NAMED)];
  if (named.length === 0) faults.push(`${page} names no test`);
  for (const [, file = "", title = ""] of named) {
    if (!existsSync(file)) faults.push(`${page} names ${file}, which is not there`);
    else if (!readFileSync(file, "utf8").includes(title.trim())) {
      faults.push(`${page} names a test that ${file} has not: ${title.trim()}`);
    }
  }
  return faults;
}
