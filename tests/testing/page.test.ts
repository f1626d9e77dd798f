import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { filesOf, sectionsOf, shellOf } from "../support/page.ts";
import { folderForApp, ROOT } from "../support/shop.ts";

const run = promisify(execFile);
const page = readFileSync(join(ROOT, "docs/testing.md"), "utf8");
const sections = sectionsOf(page);
const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  devDependencies: Record<string, string>;
};

/** All files of a section, beside the application, in a project of their own that has psession installed. */
function projectOf(section: string): string {
  const folder = folderForApp();
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/psession"), "dir");
  const files = [...filesOf(sections.get("The application") ?? ""), ...filesOf(section)];
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
  return folder;
}

/** As a shell of its own has it: nothing of the test runner that this runs in. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:VITEST|TEST$|NODE_|JEST)/.test(name));
  const path = [join(ROOT, "node_modules/.bin"), process.env["PATH"]].join(delimiter);
  return { ...Object.fromEntries(kept), PATH: path, NO_COLOR: "1" };
}

const runnable = [...sections].filter(([, text]) => text.includes("```sh"));

/** A runner starts in seconds, and in more where everything else runs too. */
const PATIENCE = 300_000;

test.each(runnable)("the tests under %s pass", { timeout: PATIENCE }, async (_title, section) => {
  const cwd = projectOf(section);
  let runs = 0;
  for (const command of shellOf(section)) {
    const install = /^npm install --save-dev (.+)$/.exec(command);
    if (install !== null) {
      for (const name of install[1]?.split(" ") ?? []) expect(devDependencies).toHaveProperty(name);
      continue;
    }
    const { stdout, stderr } = await run("sh", ["-c", command], { cwd, env: environment() });
    const report = stdout + stderr;
    // Each runner says in its own way that something ran and nothing failed.
    expect(report).toMatch(/^ℹ pass [1-9]|Tests +[1-9]\d* passed|^Tests: +[1-9]\d* passed/m);
    expect(report).not.toMatch(/PSESSION_|^ℹ (?:fail|skipped) [1-9]|Tests.*(?:failed|skipped)/m);
    runs++;
  }
  expect(runs).toBe(1);
});

test("every code of the page runs: it has a file, and its section a command", () => {
  const blocks = page.match(/^```(?:js|ts)$/gm) ?? [];
  const named = [...sections.values()].flatMap(filesOf);
  expect(named).toHaveLength(blocks.length);
  const without = [...sections].filter(([, text]) => filesOf(text).length > 0 && !text.includes("```sh"));
  expect(without.map(([title]) => title)).toEqual(["The application"]);
});
