import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ROOT } from "./support/shop.ts";
import { temporaryFolder } from "./support/temp.ts";

const STORES = ["sqlite", "postgres", "mysql", "redis", "kysely", "memory"];
const INTEGRATIONS = [
  "express",
  "express-session",
  "fastify",
  "koa",
  "hono",
  "fetch",
  "next",
  "sveltekit",
  "node",
];
const PAIRS = [
  ...STORES.map((store) => [store, "express"] as const),
  ...INTEGRATIONS.map((integration) => ["sqlite", integration] as const),
];

/** What is read where a program imports psession, one store and one integration: more is slower to start. */
const MOST_FILES = 13;

/** The files that a program loads, by `import` and by `require`, and the parts of Node. */
function loadedBy(code: string): { readonly files: readonly string[]; readonly builtins: readonly string[] } {
  const program = `
    import { registerHooks } from "node:module";
    const files = [];
    registerHooks({
      load(url, context, next) {
        if (url.startsWith("file:")) files.push(url);
        return next(url, context);
      },
    });
    ${code}
    console.log(JSON.stringify({ files, builtins: process.moduleLoadList }));`;
  const values = ["--input-type=module", "--eval", program];
  const printed = execFileSync(process.execPath, values, { cwd: ROOT, encoding: "utf8" });
  const { files, builtins } = JSON.parse(printed) as { files: string[]; builtins: string[] };
  return { files: files.map((url) => relative(ROOT, fileURLToPath(url))), builtins };
}

const imports = (...names: readonly string[]): string =>
  ["psession", ...names.map((name) => `psession/${name}`)]
    .map((name) => `await import("${name}");`)
    .join("\n");

test("on the Edge runtime, loading fails and says which runtime is needed", () => {
  const code = `globalThis.EdgeRuntime = "edge-runtime";
    for (const name of ["psession", "psession/next"])
      await import(name).catch(({ message }) => files.push("file:///" + message));`;
  const message = /psession needs Node, and this is the Edge runtime/;
  expect(loadedBy(code).files.filter((file) => message.test(file))).toHaveLength(2);
});

describe("starting a program reads few files", () => {
  test.each(PAIRS)("psession/%s with psession/%s", (store, integration) => {
    const { files, builtins } = loadedBy(imports(store, integration));
    expect(files.filter((file) => !file.startsWith("dist/"))).toEqual([]);
    expect(files).toContain("dist/index.cjs");
    expect(files.length).toBeLessThanOrEqual(MOST_FILES);
    // An application that gives its database needs no other, and one that speaks fetch no server.
    expect(
      builtins.filter((name) =>
        /^NativeModule (sqlite|http|http2|internal\/deps\/undici\/undici)$/.test(name),
      ),
    ).toEqual([]);
  });

  test("bowser is loaded only when a browser's name is looked up", () => {
    const label = `
      const { newDeviceNotice } = await import("psession/notices");
      const request = { userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" };
      newDeviceNotice({ at: 0, userId: 7, handle: "h", request }, { site: "Acme Shop" });`;
    const packages = (code: string) => loadedBy(code).files.filter((file) => file.includes("node_modules"));
    expect(packages(`await import("psession/notices");`)).toEqual([]);
    expect(packages(label)).toEqual([expect.stringContaining("node_modules/bowser/")]);
  });
});

describe("what is built can be read", () => {
  const thrower = `
    const { createPsession } = require("psession");
    try { createPsession({}); } catch (error) { console.log(error.stack); }`;
  const stackWith = (...flags: readonly string[]) =>
    execFileSync(process.execPath, [...flags, "--eval", thrower], { cwd: ROOT, encoding: "utf8" });

  test("stack traces name psession's functions, and with source maps their lines in the sources", () => {
    expect(stackWith()).toMatch(/at checkedOptions \(.*dist\/chunks\/core\.cjs:\d+:\d+\)/);
    const [, file = "", line = ""] =
      /at checkedOptions \(.*psession\/(src\/checks\/faults\.ts):(\d+):\d+\)/.exec(
        stackWith("--enable-source-maps"),
      ) ?? [];
    const source = readFileSync(join(ROOT, file), "utf8").split("\n");
    expect(source[Number(line) - 1]).toContain("throw invalidOptions(who");
  });

  test("every part is ASCII, which is read faster, and strict, as the sources are", () => {
    const program =
      'require("psession/express-session"); console.log(JSON.stringify(Object.keys(require.cache)));';
    const files = execFileSync(process.execPath, ["--eval", program], { cwd: ROOT, encoding: "utf8" });
    for (const file of JSON.parse(files) as string[]) {
      const code = readFileSync(file, "utf8");
      expect(code.slice(0, 14)).toBe('"use strict";\n');
      expect(/[^\0-\x7F]/.exec(code)).toBeNull();
    }
  });
});

test("the command is found and says its version, wherever it is started", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  const command = [join(ROOT, "dist/cli.cjs"), "--version"];
  const said = execFileSync(process.execPath, command, { cwd: temporaryFolder(), encoding: "utf8" });
  expect(said.trim()).toBe(version);
});
