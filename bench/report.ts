/** A run as tables for a terminal. */
import { table as alignedTable } from "../src/cli/output.ts";
import { GROUP_NAMES, orderOfGroups } from "./plan.ts";
import {
  type BlockResult,
  bestPeerOf,
  type CpuResult,
  floorOf,
  type GrowthResult,
  type Measurement,
  median,
  type Results,
  rates,
  ratio,
  type SizeResult,
  type Spread,
  spread,
} from "./results.ts";
import type { Bound, Verdict } from "./targets.ts";
import { FRAMEWORKS } from "./workload.ts";

type Line = readonly string[];

export function report(results: Results, verdicts: readonly Verdict[]): string {
  const { about, blocks, cpu, growth, sizes, refused } = results;
  const parts = [
    `psession's benchmark, ${about.at.slice(0, 16).replace("T", " ")}Z`,
    `Node ${about.node} on ${about.machine}; load average ${about.load.map((load) => load.toFixed(1)).join(" to ")}`,
    `${about.rounds} rounds of ${about.seconds} s; medians, and the least and the most of the rounds`,
    ...blocks.toSorted(orderOfGroups).map(ofBlock),
    ...(cpu === undefined ? [] : [ofCpu(cpu)]),
    ...(growth.length === 0 ? [] : [ofGrowth(growth)]),
    ...(sizes.length === 0 ? [] : [ofSizes(sizes)]),
    ofVerdicts(verdicts),
    ...(refused.length === 0
      ? []
      : [
          table(
            "Not measured",
            ["what", "why"],
            refused.map(({ id, why }) => [id, why]),
          ),
        ]),
  ];
  return `${parts.join("\n\n")}\n`;
}

function ofBlock(block: BlockResult): string {
  const { group, scenario, connections, measurements } = block;
  const hasSizes = new Set(measurements.map(({ rows }) => rows)).size > 1;
  const title = `${GROUP_NAMES[group]}, ${scenario}, ${connections} connection${connections === 1 ? "" : "s"}${hasSizes ? ", by rows in the table" : ""}`;
  const head = [
    ...["framework", "library", hasSizes ? "rows" : "", "requests/s", "p50 ms", "p99 ms", "CPU µs"],
    ...["statements", "to floor", "to best peer"],
  ];
  const rows = FRAMEWORKS.flatMap((framework) =>
    measurements
      .filter((one) => one.framework === framework)
      .map((one) => ofMeasurement(block, one, hasSizes)),
  );
  return table(title, head, rows);
}

function ofMeasurement(block: BlockResult, one: Measurement, hasSizes: boolean): Line {
  const { library, framework, store, rows, rounds, statements } = one;
  const floor = one.kind === "floor" ? undefined : floorOf(block, one);
  const peer = one.kind === "ours" ? bestPeerOf(block, one) : undefined;
  const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
  const inBlock = (what: keyof (typeof rounds)[number]) => median(rounds.map((round) => round[what]));
  return [
    framework,
    // Beside libraries that need no server, psession uses SQLite.
    `${library}${store === block.group ? "" : `, ${store}`}${failed > 0 ? ` (${failed} WRONG ANSWERS)` : ""}`,
    hasSizes ? rows.toLocaleString("en") : "",
    ofSpread(spread(rates(one)), 0),
    inBlock("p50").toFixed(2),
    inBlock("p99").toFixed(2),
    inBlock("cpu").toFixed(0),
    statements === undefined ? "" : `${short(statements.alone)} (${short(statements.together)})`,
    floor === undefined ? "" : ofSpread(ratio(one, floor), 2),
    peer === undefined ? "" : ofSpread(ratio(one, peer), 2),
  ];
}

function ofCpu({ read, untouched, openSession }: CpuResult): string {
  const rows = [
    ["open, read and commit a signed-in session", `${ofSpread(spread(read), 1)} µs`],
    ...Object.entries(untouched).map(([framework, costs]) => [
      `page that does not look at its session, ${framework}`,
      `${ofSpread(spread(costs), 1)} µs`,
    ]),
    ["memory of a session while it is open", `${openSession.toFixed(0)} bytes`],
  ];
  return table("psession's own, without store and http", ["what", "cost"], rows);
}

function ofGrowth(growth: readonly GrowthResult[]): string {
  const rows = growth.map(({ store, rows, devices, pruneNothing, prune }) => {
    const counts = [...new Set(prune.map(({ deleted }) => deleted))];
    const costs = counts.map((count) => {
      const times = prune.filter(({ deleted }) => deleted === count).map((one) => one.milliseconds);
      return `${count.toLocaleString("en")}: ${median(times).toFixed(0)} ms`;
    });
    return [
      store,
      rows.toLocaleString("en"),
      `${median(devices).toFixed(2)} ms`,
      pruneNothing.length === 0 ? "" : `${median(pruneNothing).toFixed(2)} ms`,
      costs.join(", "),
    ];
  });
  return table(
    "By rows in the table",
    ["store", "rows", "list 5 devices", "nothing to prune", "prune"],
    rows,
  );
}

function ofSizes(sizes: readonly SizeResult[]): string {
  const rows = sizes.map(({ library, framework, store, remembered, stored, cookie, held }) => [
    `${library}${remembered ? ", with remembered login" : ""}`,
    framework,
    store,
    stored === undefined ? "" : stored.toFixed(0),
    String(cookie),
    held === undefined ? "" : `${(held / 1024 / 1024).toFixed(1)} MiB`,
  ]);
  return table(
    "A session, and 10,000 of them",
    ["library", "framework", "store", "bytes stored", "bytes of cookie", "memory per 10,000"],
    rows,
  );
}

function ofVerdicts(verdicts: readonly Verdict[]): string {
  const measured = verdicts.filter(({ isMet }) => isMet !== undefined);
  const rows = measured.map(({ what, bound, value, isMet }) => [
    isMet === true ? "met" : "MISSED",
    value === undefined ? "" : ofSpread(value, 2),
    ofBound(bound),
    what,
  ]);
  const missed = measured.filter(({ isMet }) => isMet === false).length;
  const left = verdicts.length - measured.length;
  const title = `Targets: ${measured.length - missed} met, ${missed} missed${left > 0 ? `, ${left} not measured in this run` : ""}`;
  return rows.length === 0 ? title : table(title, ["", "measured", "target", "what"], rows);
}

const ofBound = (bound: Bound): string => ("atLeast" in bound ? `≥ ${bound.atLeast}` : `≤ ${bound.atMost}`);

/** "12,345 (11,800 to 12,900)" */
function ofSpread({ median, least, most }: Spread, digits: number): string {
  const [middle, low, high] = [median, least, most].map((value) => grouped(value, digits));
  return low === high ? `${middle}` : `${middle} (${low} to ${high})`;
}

const grouped = (value: number, digits: number): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

const short = (value: number): string => value.toFixed(2).replace(/\.?0+$/, "");

/** Without columns that are empty everywhere. */
function table(title: string, head: Line, rows: readonly Line[]): string {
  const kept = head.map((_, at) => rows.some((row) => row[at] !== ""));
  const pick = (row: Line) => row.filter((_, at) => kept[at]);
  return `${title}\n${alignedTable(process, pick(head), rows.map(pick))}`;
}
