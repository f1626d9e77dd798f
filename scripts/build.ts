/**
 * Makes dist of src: the code once, as CommonJS, which `import` has as well, and its types. docs/contributing.md says
 * why.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { type OutputChunk, type Plugin, rolldown } from "rolldown";
import { type Entry, readEntries, readManifest } from "./entries.ts";

const ROOT = resolve(import.meta.dirname, "..");
const DIST = join(ROOT, "dist");
const require = createRequire(import.meta.url);

/** What is in one file because whoever needs some of it needs most. Everything else divides by itself. */
const SHARED = [
  { name: "core", test: /\/src\/(index|stores\/\w+)\.ts$|rolldown\/runtime/, priority: 3 },
  { name: "sql", test: /\/src\/stores\/sql\/(?!dialects\/)/, priority: 2 },
  {
    name: "http",
    // Proofs of keys are looked at with jose, which few need: a chunk of their own.
    test: /\/src\/(http\/(?!key-proofs)|integration\/)/,
    priority: 1,
  },
];

/** What few need, and is long: loaded where something of it is first used. */
const LAZY: Readonly<Record<string, string>> = {
  bowser: 'export default new Proxy({}, { get: (_, name) => require("bowser")[name] });',
};

/**
 * Every entry loads the chunk "core" first, which would fail there with a TypeError that names no cause. Before its second
 * line, so that the maps stay right.
 */
const NOT_ON_EDGE =
  'if (globalThis.EdgeRuntime !== undefined) throw new Error("psession needs Node, and this is the Edge runtime, which ' +
  "has neither its cryptography nor database drivers. In Next 16 name the file proxy.ts; in Next 15.5 export const config = " +
  "{ runtime: 'nodejs' } from middleware.ts.\");";

/** Types that speak of kysely's. */
const TWICE = /^stores\/kysely\//;

/** What browsers run: for `import` it is a module of its own, as not everybody bundles, and browsers load no CommonJS. */
const FOR_BROWSERS = /^src\/client\//;

const RELATIVE = /((?:\bfrom |\bimport\(|^declare module )")(\.[^"]+)\.ts"/gm;

const entries = readEntries(ROOT);
rmSync(DIST, { recursive: true, force: true });
run("node_modules/.bin/tsc", ["-p", "tsconfig.build.json"]);
const declarations = readDeclarations();
rmSync(DIST, { recursive: true, force: true });
await writeCode();
await writeBrowserCode();
for (const entry of entries) if (!FOR_BROWSERS.test(entry.source)) writeImports(entry);
writeTypes();
writeMerging();

function run(program: string, values: readonly string[]): void {
  execFileSync(join(ROOT, program), values, { cwd: ROOT, stdio: "inherit" });
}

function write(name: string, text: string): void {
  const file = join(DIST, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

async function writeCode(): Promise<void> {
  const { dependencies, peerDependencies } = readManifest(ROOT);
  const sources = entries.map(({ name, source }) => [name, join(ROOT, source)]);
  const lazily: Plugin = {
    name: "lazily",
    resolveId: (id, importer) =>
      !(id in LAZY) ? undefined : importer === `\0${id}` ? { id, external: true } : `\0${id}`,
    load: (id) => LAZY[id.slice(1)],
  };
  const build = await rolldown({
    input: { ...Object.fromEntries(sources), cli: join(ROOT, "src/cli/main.ts") },
    platform: "node",
    external: [
      /^node:/,
      // Its entries; `next` itself is never imported.
      /^next\//,
      ...Object.keys({ ...dependencies, ...peerDependencies }).filter((name) => !(name in LAZY)),
    ],
    plugins: [lazily],
    onLog: (_level, { message }) => {
      throw new Error(message);
    },
  });
  const { output } = await build.generate({
    format: "cjs",
    exports: "named",
    strict: true,
    entryFileNames: "[name].cjs",
    chunkFileNames: "chunks/[name].cjs",
    codeSplitting: { groups: SHARED },
    minifyInternalExports: false,
    // They are in the sources that the maps hold; here they would be read at every start.
    comments: { legal: true, annotation: false, jsdoc: false },
    sourcemap: true,
  });
  await build.close();
  const chunks = output.filter((file) => file.type === "chunk");
  for (const chunk of chunks) writeChunk(chunk);
  writeLicences(chunks.flatMap(({ moduleIds }) => moduleIds));
  chmodSync(join(DIST, "cli.cjs"), 0o755);
}

async function writeBrowserCode(): Promise<void> {
  const sources = entries.filter(({ source }) => FOR_BROWSERS.test(source));
  const build = await rolldown({
    input: Object.fromEntries(sources.map(({ name, source }) => [name, join(ROOT, source)])),
    platform: "browser",
    external: Object.keys(readManifest(ROOT).peerDependencies),
    onLog: (_level, { message }) => {
      throw new Error(message);
    },
  });
  const { output } = await build.generate({
    format: "es",
    entryFileNames: "[name].mjs",
    chunkFileNames: "chunks/[name].mjs",
    minifyInternalExports: false,
    comments: { legal: true, annotation: false, jsdoc: false },
  });
  await build.close();
  for (const file of output) if (file.type === "chunk") write(file.fileName, file.code);
}

function writeChunk({ name, fileName, code, map }: OutputChunk): void {
  const required = code
    // A bundler that makes an ES module of this could not give it `require`.
    .replace(/\brequire\("(node:[\w/]+)"\)/g, 'process.getBuiltinModule("$1")')
    // Next lists no entries in its manifest, so that Node's import() does not find "next/headers".
    .replace(/\bimport\(("next\/\w+")\)/g, "Promise.resolve(require($1))")
    // One letter beyond ASCII, and the engine takes two bytes for each of them.
    .replace(/[^\0-\x7F]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    // What express-session gives: the function, with everything at it.
    .replace(
      /(?=\n\/\/# sourceMappingURL)/,
      name === "express-session" ? "\nmodule.exports = exports.default;" : "",
    );
  write(fileName, name === "core" ? required.replace('"use strict";\n', `$&${NOT_ON_EDGE} `) : required);
  // A file that has but the names of another's things.
  if (map === null) return;
  const sources = map.sources.map((source) => source.replace(/^.*?(?=\/(src|node_modules)\/)/, "psession"));
  const isOurs = (source: string) => source.startsWith("psession/src/");
  const sourcesContent = map.sourcesContent?.map((text, index) =>
    isOurs(sources[index] ?? "") ? text : null,
  );
  write(`${fileName}.map`, JSON.stringify({ ...map, sources, sourcesContent }));
}

/** Of the packages whose code is in ours. */
function writeLicences(modules: readonly string[]): void {
  const homes = modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []);
  const texts = [...new Set(homes)].sort().map((home) => {
    const { name, version } = require(join(home, "package.json")) as { name: string; version: string };
    const file = readdirSync(home).find((name) => /^licen[cs]e/i.test(name));
    if (file === undefined) throw new Error(`${name} has no licence`);
    return `${name} ${version}\n\n${readFileSync(join(home, file), "utf8").trim()}\n`;
  });
  write("LICENSES.txt", texts.join(`\n${"-".repeat(80)}\n\n`));
}

/** For `import`: the names of what `require` gives. */
function writeImports({ name }: Entry): void {
  const file = `./${basename(name)}.cjs`;
  const names = Object.keys(exportsOf(name)).filter((one) => one !== "default");
  const lines = [`export { ${names.join(", ")} } from "${file}";`];
  const usual = usualName(name);
  if (usual !== undefined) lines.push(`export { ${usual} as default } from "${file}";`);
  write(`${name}.mjs`, `${lines.join("\n")}\n`);
}

function exportsOf(name: string): Record<string, unknown> {
  return require(join(DIST, `${name}.cjs`)) as Record<string, unknown>;
}

/** The name of what is the default export as well; undefined where there is none. */
function usualName(name: string): string | undefined {
  const { default: usual, ...others } = exportsOf(name);
  if (usual === undefined) return undefined;
  const found = Object.keys(others).find((other) => others[other] === usual);
  if (found === undefined) throw new Error(`${name}: its default export has no other name`);
  return found;
}

/** By their path in src, without its ending. */
function readDeclarations(): Map<string, string> {
  const files = readdirSync(DIST, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".d.ts"),
  );
  return new Map(
    files.map((file) => [file.slice(0, -".d.ts".length), readFileSync(join(DIST, file), "utf8")]),
  );
}

/**
 * The types of CommonJS are the ones; those for `import` take from them, so that a Session is a Session however it came.
 * But what speaks of kysely's types, which are others for `import` than for `require`, is there twice.
 */
function writeTypes(): void {
  const needed = new Set<string>();
  const need = (path: string): void => {
    if (needed.has(path)) return;
    needed.add(path);
    const text = declarations.get(path);
    if (text === undefined) throw new Error(`There are no types of ${path}`);
    for (const [, , to = ""] of text.matchAll(RELATIVE)) need(join(dirname(path), to));
  };
  for (const { name, source } of entries) {
    const path = source.replace(/^src\/|\.ts$/g, "");
    need(path);
    const isTwice = TWICE.test(path);
    const types = `${name.includes("/") ? ".." : "."}/types/${path}`;
    const [cjs, mjs] = [`${types}.cjs`, `${types}.${isTwice ? "mjs" : "cjs"}`];
    const usual = usualName(name);
    write(
      `${name}.d.mts`,
      starOf(mjs) + (usual === undefined ? "" : `export { ${usual} as default } from "${mjs}";\n`),
    );
    write(`${name}.d.cts`, starOf(cjs) + (usual === undefined ? "" : `export { default } from "${cjs}";\n`));
  }
  for (const path of needed) {
    const text = declarations.get(path) ?? "";
    write(`types/${path}.d.cts`, text.replace(RELATIVE, '$1$2.cjs"'));
    if (!TWICE.test(path)) continue;
    const twin = text.replace(
      RELATIVE,
      (_whole, before: string, to: string) =>
        `${before}${to}.${TWICE.test(join(dirname(path), to)) ? "mjs" : "cjs"}"`,
    );
    write(`types/${path}.d.mts`, twin);
  }
}

/** Applications merge declarations into what they import, and for `require` that has to be another place. */
function writeMerging(): void {
  const data =
    "/** The application's session data, typed by declaration merging. */\nexport interface SessionData {}\n";
  write("index.d.cts", starOf("./types/index.cjs") + data);
  write(
    "types/data/required.d.cts",
    'export type { SessionData as RequiredSessionData } from "../../index.cjs";\n',
  );
  write("express-session.d.cts", readFileSync(join(ROOT, "scripts/express-session.d.cts"), "utf8"));
  write(
    "types/integrations/express-session/required.d.cts",
    'import session = require("../../../express-session.cjs");\nexport type RequiredSessionData = session.SessionData;\n',
  );
}

function starOf(file: string): string {
  return `export * from "${file}";\n`;
}
