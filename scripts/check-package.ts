/**
 * What a consumer gets: publint, are-the-types-wrong, the tarball's file list, that no link of its pages is dead, and
 * that docs/options.md names every option of the code, no other, with its default, docs/stores/naming.md every column,
 * docs/cli.md every command, its options and doctor's findings, and that the tests that pages name are there.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import type { Command } from "commander";
import { createProgram } from "../src/cli/program.ts";
import { EVENTS } from "../src/events.ts";
import { optionDefaults } from "../src/options/schema.ts";
import { TABLES } from "../src/stores/sql/schema.ts";
import { anchorsOf, fileOf, replaceLinks } from "./links.ts";
import { missingTests } from "./named-tests.ts";

/** Who compiles against these types has the package anyway: it is a peer. */
const TYPES_FROM: Readonly<Record<string, string>> = {
  "types/integrations/fastify": "fastify",
  "types/integrations/hono": "hono",
  "types/telemetry/opentelemetry": "@opentelemetry/api",
  "types/stores/kysely": "kysely",
};

const faults: string[] = [];
const folder = mkdtempSync(join(tmpdir(), "psession-pack-"));
try {
  // With its scripts: they make the pages as they are published.
  run("npm", ["pack", "--silent", "--pack-destination", folder]);
  const tarball = join(folder, readdirSync(folder)[0] ?? "");
  run("publint", ["run", tarball, "--strict"]);
  run("attw", [tarball]);
  checkFiles(tarball);
  checkPublishedLinks(tarball);
  checkLinks();
  checkTypes();
  checkOptions();
  checkColumns();
  checkEvents();
  checkCommands();
  checkFindings();
  for (const page of ["docs/predecessor.md", "docs/security-checklist.md"])
    faults.push(...missingTests(page));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const fault of faults) console.error(`- ${fault}`);
if (faults.length > 0) process.exit(1);
console.log("The package is as it should be.");

function run(command: string, values: readonly string[]): void {
  try {
    execFileSync(command, values, { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    faults.push(`${command} ${values[0]}: ${stdout ?? ""}${stderr ?? error}`);
  }
}

/** Built code, its maps and types, and texts and examples for people; no sources, tests, data or keys. */
function checkFiles(tarball: string): void {
  const files = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" }).trim().split("\n");
  const isExpected =
    /^package\/(package\.json|(README|CHANGELOG|CONTRIBUTING|SECURITY)\.md|LICENSE|docs\/[\w/.-]+\.(md|png|svg)|examples\/[\w/()[\].+-]+(\.\w+)?\.(js|tsx?|json|conf|md|css|svelte|html)|dist\/LICENSES\.txt|dist\/[\w/-]+\.([cm]js|cjs\.map|d\.[cm]ts))$/;
  for (const file of files) if (!isExpected.test(file)) faults.push(`the tarball has ${file}`);
  const { exports, bin } = JSON.parse(readFileSync("package.json", "utf8")) as {
    exports: Record<string, string | { import: string; require: string }>;
    bin: Record<string, string>;
  };
  for (const path of Object.values(bin)) {
    if (!files.includes(join("package", path))) faults.push(`the tarball lacks ${path}`);
    else if (!readFileSync(path, "utf8").startsWith("#!/usr/bin/env node\n")) {
      faults.push(`${path} does not say that Node runs it`);
    }
  }
  for (const target of Object.values(exports)) {
    for (const path of typeof target === "string" ? [target] : Object.values(target)) {
      for (const file of [path, path.replace(/\.([cm])js$/, ".d.$1ts")].map((one) => join("package", one)))
        if (!files.includes(file)) faults.push(`the tarball lacks ${file}`);
    }
  }
}

/** In the package's own pages, by the files that it has. */
function checkPublishedLinks(tarball: string): void {
  const home = join(folder, "unpacked");
  mkdirSync(home);
  execFileSync("tar", ["-xzf", tarball, "-C", home, "--strip-components", "1"]);
  const { name, version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const base = `https://unpkg.com/${name}@${version}/`;
  for (const page of pagesIn(home)) {
    const text = readFileSync(join(home, page), "utf8");
    // The README is read where its neighbours are not.
    if (page === "README.md")
      replaceLinks(text, (link, whole) => {
        if (link.target !== "") faults.push(`the published README.md has the relative link ${whole}`);
        return whole;
      });
    faultsOfLinks(home, page, text.replaceAll(`](${base}`, "]("), "published ");
  }
}

/** In the repository, where the same links are to lead somewhere. */
function checkLinks(): void {
  for (const page of pagesIn(".")) faultsOfLinks(".", page, readFileSync(page, "utf8"));
}

function pagesIn(home: string): string[] {
  const inFolders = ["docs", "examples"].flatMap((folder) =>
    readdirSync(join(home, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  );
  return ["README.md", ...inFolders].filter((file) => file.endsWith(".md"));
}

function faultsOfLinks(home: string, page: string, text: string, which = ""): void {
  replaceLinks(text, (link, whole) => {
    const file = join(home, fileOf(page, link));
    if (!existsSync(file)) faults.push(`${which}${page}: ${whole} leads nowhere`);
    else if (link.anchor !== undefined && !anchorsOf(readFileSync(file, "utf8")).has(link.anchor))
      faults.push(`${which}${page}: ${whole} leads to no heading`);
    return whole;
  });
}

/** Types that came from elsewhere would have to be installed by everybody who compiles against ours. */
function checkTypes(): void {
  for (const name of readdirSync("dist", { recursive: true, encoding: "utf8" })) {
    if (!/\.d\.[cm]ts$/.test(name)) continue;
    const text = readFileSync(join("dist", name), "utf8");
    for (const [, from = ""] of text.matchAll(/(?:\bfrom |\brequire\()"([^"]+)"/g)) {
      const isPeer = from === TYPES_FROM[dirname(name)];
      if (!isPeer && !/^(\.|node:)/.test(from)) faults.push(`dist/${name} takes types from ${from}`);
    }
  }
}

/** Rows of the table in docs/options.md: | `name` | default | meaning |. */
function checkOptions(): void {
  const rows = readFileSync("docs/options.md", "utf8").matchAll(/^\| `([\w.[\]]+)` *\| (.*?) *\|/gm);
  const documented = new Map(Array.from(rows, ([, name = "", value = ""]) => [name, value]));
  const defaults = optionDefaults();
  for (const [name, value] of defaults) {
    const written = documented.get(name);
    if (written === undefined) faults.push(`docs/options.md lacks ${name}`);
    else if (value !== undefined && written !== `\`${value}\``) {
      faults.push(`docs/options.md says ${written} for ${name}, the code \`${value}\``);
    }
  }
  for (const name of documented.keys())
    if (!defaults.has(name)) faults.push(`docs/options.md has ${name}, the code has not`);
}

/** Rows of the tables in docs/stores/naming.md: | `table.field` | `column` | type | meaning |. */
function checkColumns(): void {
  const page = "docs/stores/naming.md";
  const rows = readFileSync(page, "utf8").matchAll(/^\| `(\w+\.\w+)` *\| `(\w+)` *\|/gm);
  const documented = new Map(Array.from(rows, ([, field = "", column = ""]) => [field, column]));
  for (const [table, { spec }] of Object.entries(TABLES)) {
    for (const [field, [column]] of Object.entries<readonly [string, ...unknown[]]>(spec)) {
      const name = `${table}.${field}`;
      const written = documented.get(name);
      if (written === undefined) faults.push(`${page} lacks ${name}`);
      else if (written !== column) faults.push(`${page} says ${written} for ${name}, the code ${column}`);
      documented.delete(name);
    }
  }
  for (const name of documented.keys()) faults.push(`${page} has ${name}, the code has not`);
}

/** Rows of the tables in docs/events.md: | `event` | fields | when |. */
function checkEvents(): void {
  const rows = readFileSync("docs/events.md", "utf8").matchAll(/^\| `(\w+)` *\|/gm);
  const documented = new Set(Array.from(rows, ([, name = ""]) => name));
  for (const name of Object.keys(EVENTS))
    if (!documented.delete(name)) faults.push(`docs/events.md lacks ${name}`);
  for (const name of documented) faults.push(`docs/events.md has ${name}, the code has not`);
}

/** Sections of docs/cli.md: ## `psession command`, with a table of options: | `--option <value>` | meaning |. */
function checkCommands(): void {
  const sections = readFileSync("docs/cli.md", "utf8").split(/^## /m);
  const shared = optionsIn(sections.find((section) => section.startsWith("The configuration")) ?? "");
  const documented = new Map(
    sections.flatMap((section) => {
      const name = /^`psession ([\w -]+)`\n/.exec(section)?.[1];
      return name === undefined ? [] : [[name, optionsIn(section)] as const];
    }),
  );
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const { signal: interrupted } = new AbortController();
  const program = createProgram({ cwd: ".", stdin, stdout, stderr, interrupted });
  for (const [name, command] of commandsOf(program)) {
    const written = documented.get(name);
    documented.delete(name);
    if (written === undefined) {
      faults.push(`docs/cli.md lacks ${name}`);
      continue;
    }
    const options = command.options.map(({ flags }) => flags);
    for (const option of options)
      if (!written.includes(option) && !shared.includes(option))
        faults.push(`docs/cli.md: ${name} lacks ${option}`);
    for (const option of written)
      if (!options.includes(option)) faults.push(`docs/cli.md: ${name} has ${option}, the program has not`);
  }
  for (const name of documented.keys()) faults.push(`docs/cli.md has ${name}, the program has not`);
}

function commandsOf(command: Command, path = ""): [string, Command][] {
  return command.commands.flatMap((child) => {
    const name = path + child.name();
    return child.commands.length === 0 ? [[name, child] as [string, Command]] : commandsOf(child, `${name} `);
  });
}

function optionsIn(section: string): string[] {
  return Array.from(section.matchAll(/^\| `(--[^`]+)` \|/gm), ([, option = ""]) => option);
}

/** Rows of the table of findings: | `code`, `code` | severity | meaning |. */
function checkFindings(): void {
  const rows = readFileSync("docs/cli.md", "utf8").matchAll(
    /^\| (`[a-z_`, ]+`) \| (?:error|warning|note)\b/gm,
  );
  const documented = new Set(
    Array.from(rows, ([, codes = ""]) => codes.replaceAll("`", "").split(", ")).flat(),
  );
  const made = new Set([
    ...matches("src/cli", /\b(?:error|warning|note|severity)\(\s*"([a-z_]+)"/g),
    ...matches("src/stores", /\bcode: "([a-z_]+)"/g),
  ]);
  for (const code of made) if (!documented.has(code)) faults.push(`docs/cli.md lacks the finding ${code}`);
  for (const code of documented)
    if (!made.has(code)) faults.push(`docs/cli.md has the finding ${code}, doctor has not`);
}

function matches(folder: string, pattern: RegExp): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  return files.flatMap((name) =>
    Array.from(readFileSync(join(folder, name), "utf8").matchAll(pattern), ([, code = ""]) => code),
  );
}
