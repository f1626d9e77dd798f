/**
 * Compiles against the package's types, as it would be published, in the ways that people compile: by module
 * resolution, with TypeScript of today and of before, by @types/node, with the strictest settings and no file skipped.
 * What is compiled is in tests/loaders/types, and in tests/types.
 */
import { copyFileSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Installed, inPairs, makeConsumer, pack, ROOT, run } from "./consumer.ts";

const TODAY = "node_modules/typescript/bin/tsc";
/** The last that knows `node10`. */
const BEFORE = "tests/loaders/node_modules/typescript/bin/tsc";

const PROGRAMS = "tests/loaders/types";
/** As they are in the folder that is compiled, and here. */
type Programs = Readonly<Record<string, string>>;

const everything = { "everything.ts": `${PROGRAMS}/everything.ts` };
const required = { "required.cts": `${PROGRAMS}/required.cts` };
const stores = { "stores.ts": `${PROGRAMS}/stores-of-others.ts` };
const kysely = { "kysely.ts": `${PROGRAMS}/kysely.ts`, "kysely.cts": `${PROGRAMS}/kysely.ts` };
/** Where files of both kinds are one program. */
const mixed = {
  ...everything,
  "everything.cts": `${PROGRAMS}/everything.ts`,
  "both.mts": `${PROGRAMS}/both.mts`,
  ...required,
};
const ours = Object.fromEntries(
  readdirSync(join(ROOT, "tests/types")).map((name) => [name, `tests/types/${name}`]),
);
delete ours["express-session-untyped.d.ts"];

interface Way {
  readonly compiler?: string;
  /** Of @types/node. */
  readonly node: 22 | 24 | 26;
  readonly module: string;
  readonly resolution?: string;
  readonly programs: Programs;
  readonly instead?: Readonly<Record<string, string>>;
}

const ways: readonly Way[] = [
  { node: 22, module: "nodenext", programs: { ...mixed, ...ours } },
  { node: 24, module: "nodenext", programs: { ...mixed, ...kysely } },
  { node: 26, module: "nodenext", programs: { ...mixed, ...ours } },
  { node: 26, module: "nodenext", programs: stores },
  { node: 26, module: "preserve", resolution: "bundler", programs: { ...everything, ...ours } },
  { node: 22, module: "preserve", resolution: "bundler", programs: stores },
  { node: 26, module: "commonjs", resolution: "bundler", programs: everything },
  { node: 22, module: "node16", programs: { ...mixed, ...kysely }, instead: { kysely: "kysely028" } },
  { compiler: BEFORE, node: 26, module: "nodenext", programs: { ...mixed, ...kysely } },
  { compiler: BEFORE, node: 22, module: "node16", programs: { ...mixed, ...ours } },
  {
    compiler: BEFORE,
    node: 24,
    module: "esnext",
    resolution: "bundler",
    programs: { ...everything, ...stores },
  },
  {
    compiler: BEFORE,
    node: 26,
    module: "commonjs",
    resolution: "node10",
    programs: { ...everything, ...required },
  },
  { compiler: BEFORE, node: 22, module: "commonjs", resolution: "node10", programs: stores },
];

const tarball = pack();
const consumers = new Map<string, string>();
const faults: string[] = [];
await inPairs(ways.map((way) => () => compile(way)));
for (const fault of faults) console.error(`- ${fault}`);
if (faults.length > 0) process.exit(1);
console.log(`The package's types compile in ${ways.length} ways.`);

function consumerWith(installed: Installed): string {
  const key = JSON.stringify(installed);
  const folder = consumers.get(key) ?? makeConsumer(tarball, installed);
  consumers.set(key, folder);
  return folder;
}

async function compile({
  compiler = TODAY,
  node,
  module,
  resolution = module,
  programs,
  instead,
}: Way): Promise<void> {
  const nodeTypes = node === 24 ? "@types/node" : `types-node${node}`;
  const installed: Installed = {
    instead: { ...instead, "@types/node": nodeTypes },
    // Everywhere else nobody has them.
    ...(programs === stores || "stores.ts" in programs ? {} : { except: ["@types/express-session"] }),
  };
  const folder = mkdtempSync(join(consumerWith(installed), "app-"));
  for (const [name, file] of Object.entries(programs)) copyFileSync(join(ROOT, file), join(folder, name));
  const isOfModules = !["commonjs", "node10"].includes(module);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: isOfModules ? "module" : "commonjs" }));
  const compilerOptions = {
    module,
    moduleResolution: resolution,
    target: "es2023",
    lib: ["es2024"],
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    skipLibCheck: false,
    esModuleInterop: true,
    noEmit: true,
    // What is linked is to find the @types/node of this folder.
    preserveSymlinks: true,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["."] }));
  const { output } = await run(process.execPath, [join(ROOT, compiler), "-p", "."], folder);
  // Others' types have faults of their own.
  const isTheirs = (error: string) =>
    error.startsWith("../node_modules/") && !error.startsWith("../node_modules/psession/");
  const errors = output.split(/\n(?=\S)/).filter((error) => error.trim() !== "" && !isTheirs(error));
  const name = `${compiler === TODAY ? "TypeScript" : "TypeScript 5"}, ${module}, ${resolution}, @types/node ${node}`;
  for (const error of errors) faults.push(`${name}: ${error.trim().slice(0, 1000)}`);
}
