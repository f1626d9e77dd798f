/**
 * Loads the package, as it would be published, with whatever people load packages: versions of Node, test runners,
 * runners of TypeScript and bundlers, by `require` and by `import`. What they load is in tests/loaders/app.
 */
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binaryOf } from "./binaries.ts";
import { inPairs, makeConsumer, pack, ROOT, run } from "./consumer.ts";
import { readEntries, readManifest } from "./entries.ts";

type Way = readonly [name: string, tried: () => Promise<unknown>];

/** What every program prints that comes to its end. */
const FINE = "All is well.";

const tarball = pack();
const folder = makeConsumer(tarball);
cpSync(join(ROOT, "tests/loaders/app"), folder, { recursive: true });
const withoutPeers = makeConsumer(tarball, { only: Object.keys(readManifest(ROOT).dependencies) });
writeWithoutPeers();

const ways: readonly Way[] = [
  ...waysOfNode(),
  ["Jest 30", () => succeeds("jest/bin/jest.js", [], { cwd: "jest" })],
  ["Jest 29", () => succeeds("jest29/bin/jest.js", [], { cwd: "jest" })],
  ["Vitest", () => succeeds("vitest/vitest.mjs", ["run"], { cwd: "vitest" })],
  [
    "Vitest, inlined",
    () => succeeds("vitest/vitest.mjs", ["run"], { cwd: "vitest", env: { INLINE: "yes" } }),
  ],
  ["tsx, CommonJS", () => prints("tsx/dist/cli.mjs", ["commonjs.ts"])],
  ["tsx, ES modules", () => prints("tsx/dist/cli.mjs", ["module/module.ts"])],
  ["tsx 3, CommonJS", () => prints("tsx3/dist/cli.mjs", ["commonjs.ts"])],
  ["tsx 3, ES modules", () => prints("tsx3/dist/cli.mjs", ["module/module.ts"])],
  ["ts-node", () => prints("ts-node/dist/bin.js", ["commonjs.ts"], { env: withOldTypeScript() })],
  ...["mjs", "cjs"].flatMap(waysOfBundlers),
  [
    "webpack",
    async () => {
      await node(["webpack.cjs"]);
      for (const ending of ["mjs", "cjs"]) await node([`bundles/webpack.${ending}`], FINE);
    },
  ],
];

const faults: string[] = [];
await inPairs(
  ways.map(([name, tried]) => async () => {
    try {
      await tried();
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message}`);
    }
  }),
);
for (const fault of faults) console.error(`- ${fault}`);
if (faults.length > 0) process.exit(1);
console.log(`The package can be loaded: ${ways.map(([name]) => name).join("; ")}.`);

function waysOfNode(): Way[] {
  const own: Way = [`Node ${process.versions.node}`, () => inNode(process.execPath)];
  const others = (["node22", "node23", "node25", "node26"] as const).flatMap((name): Way[] => {
    const binary = binaryOf(name);
    if (binary !== undefined) return [[name, () => inNode(binary)]];
    return process.env["CI"] ? [[name, () => Promise.reject(new Error("it cannot be had"))]] : [];
  });
  return [own, ...others];
}

async function inNode(binary: string): Promise<void> {
  for (const file of ["import.mjs", "require.cjs", "mixed.mjs"]) await node([file], FINE, { binary });
  for (const file of ["import.mjs", "require.cjs"]) await node([join(withoutPeers, file)], FINE, { binary });
}

function waysOfBundlers(ending: string): Way[] {
  const wanted = ["both.mjs", "--platform=node", `--format=${ending === "mjs" ? "esm" : "cjs"}`];
  const [esbuild, rolldown] = [`bundles/esbuild.${ending}`, `bundles/rolldown.${ending}`];
  return [
    [
      `esbuild, .${ending}`,
      async () => {
        await start(at("esbuild/bin/esbuild"), [...wanted, "--bundle", `--outfile=${esbuild}`]);
        await node([esbuild], FINE);
      },
    ],
    [
      `Rolldown, .${ending}`,
      async () => {
        await succeeds("rolldown/bin/cli.mjs", [...wanted, "-o", rolldown]);
        await node([rolldown], FINE);
      },
    ],
  ];
}

/** Every entry but those that import of a peer. */
function writeWithoutPeers(): void {
  const specifiers = readEntries(ROOT).flatMap(({ specifier }) =>
    ["psession/opentelemetry", "psession/attempts", "psession/react"].includes(specifier) ? [] : [specifier],
  );
  const load = (how: string) => `for (const one of ${JSON.stringify(specifiers)}) ${how}(one);\n`;
  writeFileSync(join(withoutPeers, "import.mjs"), `${load("await import")}console.log("${FINE}");`);
  writeFileSync(join(withoutPeers, "require.cjs"), `${load("require")}console.log("${FINE}");`);
}

function at(path: string): string {
  return join(ROOT, "node_modules", path);
}

/** ts-node works with what TypeScript was before version 7. */
function withOldTypeScript(): Record<string, string> {
  return { TS_NODE_COMPILER: join(ROOT, "tests/loaders/node_modules/typescript") };
}

interface Surroundings {
  readonly binary?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program of a package. */
function succeeds(program: string, values: readonly string[], around?: Surroundings): Promise<void> {
  return node([at(program), ...values], "", around);
}

function prints(program: string, values: readonly string[], around?: Surroundings): Promise<void> {
  return node([at(program), ...values], FINE, around);
}

function node(values: readonly string[], wanted = "", around: Surroundings = {}): Promise<void> {
  return start(around.binary ?? process.execPath, values, wanted, around);
}

async function start(
  program: string,
  values: readonly string[],
  wanted = "",
  { cwd = ".", env }: Surroundings = {},
): Promise<void> {
  const { code, output } = await run(program, values, join(folder, cwd), env);
  if (code !== 0 || !output.includes(wanted))
    throw new Error(`${values.join(" ")}\n${output.slice(0, 2000)}`);
}
