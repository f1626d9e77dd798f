/**
 * Before npm packs: makes dist where there is none, and the pages as they are published, as their links lead to files
 * that the package does not have. Afterwards, with `back`: puts the pages back.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { publishedPage } from "./links.ts";

const ROOT = resolve(import.meta.dirname, "..");
/** The pages as they were, by their paths. */
const KEPT = join(ROOT, ".tmp/pages");

putBack();
if (process.argv[2] !== "back") {
  if (!existsSync(join(ROOT, "dist/index.cjs"))) {
    execFileSync("npm", ["run", "build", "--silent"], { cwd: ROOT, stdio: "inherit" });
  }
  for (const page of pages()) {
    const text = read(page);
    const published = publish(page, text);
    if (published === text) continue;
    write(join(KEPT, page), text);
    write(join(ROOT, page), published);
  }
}

/** Also after a run that did not come to its end. What was edited meanwhile stays as it is. */
function putBack(): void {
  if (!existsSync(KEPT)) return;
  for (const page of markdownIn(KEPT)) {
    const text = readFileSync(join(KEPT, page), "utf8");
    if (read(page) === publish(page, text)) write(join(ROOT, page), text);
    else console.error(`${page} was changed while npm packed, and its links are as they are published.`);
  }
  rmSync(KEPT, { recursive: true });
}

function publish(page: string, text: string): string {
  const { name, version } = JSON.parse(read("package.json")) as { name: string; version: string };
  return publishedPage(page, text, { has: isPacked, base: `https://unpkg.com/${name}@${version}` });
}

/** As `files` of package.json says. */
function isPacked(file: string): boolean {
  const { files } = JSON.parse(read("package.json")) as { files: string[] };
  const isIn = (entry: string) => file === entry || file.startsWith(`${entry}/`);
  const without = files.filter((entry) => entry.startsWith("!")).map((entry) => entry.slice(1));
  return existsSync(join(ROOT, file)) && files.some(isIn) && !without.some(isIn);
}

function pages(): string[] {
  return [
    "README.md",
    ...["docs", "examples"].flatMap((folder) =>
      markdownIn(join(ROOT, folder)).map((file) => join(folder, file)),
    ),
  ].filter(isPacked);
}

function markdownIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".md"));
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
