/** `npm run bench`: compares psession with its alternatives, in one run. `--help` has the flags. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { PASSES, type Pass } from "./plan.ts";
import { report } from "./report.ts";
import type { Results } from "./results.ts";
import { run } from "./run.ts";
import { judge } from "./targets.ts";
import { SCENARIOS, type Scenario, STORES, type StoreName } from "./workload.ts";

interface Flags {
  readonly quick?: true;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly only?: RegExp;
  readonly scenario?: readonly (Scenario | Pass)[];
  readonly connections?: readonly number[];
  readonly rows?: readonly number[];
  readonly store: readonly StoreName[];
  readonly json: string;
  readonly plot?: string;
  readonly from?: string;
}

const number = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("must be a number above 0");
  return value;
};
const numbers = (text: string): number[] => text.split(",").map(number);
const pattern = (text: string): RegExp => {
  try {
    return new RegExp(text, "i");
  } catch {
    throw new InvalidArgumentError("must be a regular expression");
  }
};
const someOf =
  <Name extends string>(names: readonly Name[]) =>
  (text: string): Name[] =>
    text.split(",").map((name) => {
      const known = names.find((one) => one === name);
      if (known === undefined) throw new InvalidArgumentError(`must be of ${names.join(", ")}`);
      return known;
    });

const WHAT = [...SCENARIOS, ...PASSES];
/** A quick run leaves these out unless an option asks for them. */
const QUICK = [...SCENARIOS, "cpu"] as const;
const flags = new Command("npm run bench --")
  .description("Measures psession beside other libraries and beside the bare drivers.")
  .addOption(new Option("--quick", "the contenders that matter most, in under two minutes"))
  .addOption(new Option("--rounds <n>", "how many turns each contender has (5; quick: 2)").argParser(number))
  .addOption(new Option("--seconds <n>", "how long a turn lasts (1; quick: 0.4)").argParser(number))
  .addOption(
    new Option("--only <pattern>", "contenders that match, such as 'psession / node|iron'").argParser(
      pattern,
    ),
  )
  .addOption(
    new Option("--scenario <list>", `of ${WHAT.join(", ")} (all; quick: the visits and cpu)`).argParser(
      someOf(WHAT),
    ),
  )
  .addOption(new Option("--connections <list>", "for reads (1,16,64,256; quick: 16,64)").argParser(numbers))
  .addOption(
    new Option("--rows <list>", "in the tables (1000,100000,1000000; quick: 1000)").argParser(numbers),
  )
  .addOption(
    new Option("--store <list>", `of ${STORES.join(", ")}`).argParser(someOf(STORES)).default(STORES, "all"),
  )
  .addOption(new Option("--json <file>", "where the figures go").default(".tmp/bench.json"))
  .addOption(new Option("--plot <file>", "where a plot goes, as SVG"))
  .addOption(new Option("--from <file>", "report and plot an earlier run's figures; measure nothing"))
  .parse()
  .opts<Flags>();

const isQuick = flags.quick === true;
const timing = {
  rounds: flags.rounds ?? (isQuick ? 2 : 5),
  seconds: flags.seconds ?? (isQuick ? 0.4 : 1),
};
const wishes = {
  isQuick,
  only: flags.only,
  stores: flags.store,
  scenarios: flags.scenario ?? (isQuick ? QUICK : WHAT),
  connections: flags.connections ?? (isQuick ? [16, 64] : [1, 16, 64, 256]),
  rows: flags.rows ?? (isQuick ? [1000] : [1000, 100_000, 1_000_000]),
};

const results =
  flags.from === undefined
    ? await run(wishes, timing, keep)
    : (JSON.parse(readFileSync(flags.from, "utf8")) as Results);
const verdicts = judge(results);
process.stdout.write(report(results, verdicts));
if (flags.from === undefined) {
  keep(results);
  console.log(`The figures are in ${flags.json}.`);
}
if (flags.plot !== undefined) {
  const { plot } = await import("./plot.ts");
  write(flags.plot, plot(results));
  console.log(`The plot is in ${flags.plot}.`);
}
process.exit();

function keep(results: Results): void {
  write(flags.json, `${JSON.stringify({ ...results, targets: judge(results) }, undefined, 2)}\n`);
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
