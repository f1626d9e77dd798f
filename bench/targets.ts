/** psession's targets, as data: each with its computation from a run. */
import {
  type BlockResult,
  bestPeerOf,
  floorOf,
  type GrowthResult,
  type Measurement,
  median,
  type Results,
  rates,
  ratio,
  type Spread,
  spread,
} from "./results.ts";
import { type Framework, type Scenario, STORES, type StoreName } from "./workload.ts";

export type Bound = { readonly atLeast: number } | { readonly atMost: number };

export interface Target {
  readonly id: string;
  readonly what: string;
  readonly bound: Bound;
  /** Undefined if the run lacks the measurements for it. */
  readonly from: (results: Results) => Spread | undefined;
}

export interface Verdict {
  readonly id: string;
  readonly what: string;
  readonly bound: Bound;
  readonly value: Spread | undefined;
  readonly isMet: boolean | undefined;
}

const SERVERS = STORES.filter((store) => store !== "cookie");
/** For a target that names no number of connections. */
const USUAL = 16;

interface Where {
  readonly group: StoreName;
  readonly scenario: Scenario;
  readonly connections: number;
}

/** The block that compares contenders; those that compare numbers of rows have several of each. */
const blockAt = ({ blocks }: Results, where: Where): BlockResult | undefined =>
  blocks.find(
    (block) =>
      block.group === where.group &&
      block.scenario === where.scenario &&
      block.connections === where.connections &&
      new Set(block.measurements.map(({ id }) => id)).size === block.measurements.length,
  );

/** With the contender of the comparison; undefined without measurements of it. */
function find(
  block: BlockResult | undefined,
  library: string,
  framework: Framework,
): { block: BlockResult; measurement: Measurement } | undefined {
  const measurement = block?.measurements.find(
    (one) => one.library === library && one.framework === framework && one.rounds.length > 0,
  );
  return block === undefined || measurement === undefined ? undefined : { block, measurement };
}

function ratioToFloor(results: Results, where: Where): Spread | undefined {
  const ours = find(blockAt(results, where), "psession", "node");
  const floor = ours && floorOf(ours.block, ours.measurement);
  return ours && floor && ratio(ours.measurement, floor);
}

function ratioToPeer(
  results: Results,
  where: Where,
  framework: Framework,
  [library, peer]: readonly [string, string],
): Spread | undefined {
  const block = blockAt(results, where);
  const ours = find(block, library, framework);
  const theirs = find(block, peer, framework);
  return ours && theirs && ratio(ours.measurement, theirs.measurement);
}

const readOnNode = (group: StoreName, connections: number, atLeast: number, of: string): Target => ({
  id: `read/node/${group}/${connections}`,
  what: `reads a second on node:http with ${group}, ${connections} connections, to ${of}`,
  bound: { atLeast },
  from: (results) => ratioToFloor(results, { group, scenario: "read", connections }),
});

const readBesidePeer = (
  framework: Framework,
  group: StoreName,
  pair: readonly [string, string],
  atLeast: number,
): Target => ({
  id: `read/${framework}/${group}/${pair.join(" to ")}`,
  what: `reads a second of ${pair[0]} on ${framework} with ${group}, ${USUAL} connections, to ${pair[1]}`,
  bound: { atLeast },
  from: (results) => ratioToPeer(results, { group, scenario: "read", connections: USUAL }, framework, pair),
});

const besideSameStatements = (scenario: "write" | "login", group: StoreName): Target => ({
  id: `${scenario}/node/${group}`,
  what: `${scenario}s a second on node:http with ${group}, ${USUAL} connections, to the same statements by the bare driver`,
  bound: { atLeast: 0.7 },
  from: (results) => ratioToFloor(results, { group, scenario, connections: USUAL }),
});

const asksNothing = (framework: Framework): Target => ({
  id: `untouched/statements/${framework}`,
  what: `statements for a signed-in page that does not look at its session, on ${framework}`,
  bound: { atMost: 0 },
  from({ blocks }) {
    const counts = blocks
      .filter(({ scenario }) => scenario === "untouched")
      .flatMap(({ measurements }) => measurements)
      .filter((one) => one.library === "psession" && one.framework === framework)
      .flatMap(({ statements }) => (statements === undefined ? [] : [statements.alone, statements.together]));
    // Even one statement misses the target.
    return counts.length === 0 ? undefined : { ...spread(counts), median: Math.max(...counts) };
  },
});

/** Different blocks, so medians and no rounds side by side. */
const comesBackIn = (framework: Framework, group: StoreName): Target => ({
  id: `restore/${framework}/${group}`,
  what: `time of a restore on ${framework} with ${group}, ${USUAL} connections, to a sign-in with the best other library`,
  bound: { atMost: 2 },
  from(results) {
    const at = (scenario: Scenario) => blockAt(results, { group, scenario, connections: USUAL });
    const back = find(at("restore"), "psession", framework);
    const logins = at("login");
    const peer = back && logins && bestPeerOf(logins, back.measurement);
    if (back === undefined || peer === undefined) return undefined;
    const theirs = median(rates(peer));
    return spread(rates(back.measurement).map((rate) => theirs / rate));
  },
});

const ownCpu: Target = {
  id: "cpu/read",
  what: "µs of CPU to open, read and commit a signed-in session, without store and http",
  bound: { atMost: 12 },
  from: ({ cpu }) => cpu && spread(cpu.read),
};

const untouchedCpu = (framework: Framework): Target => ({
  id: `cpu/untouched/${framework}`,
  what: `µs of CPU that a page on ${framework} pays that does not look at its session`,
  bound: { atMost: 3 },
  from({ cpu }) {
    const costs = cpu?.untouched[framework];
    return costs && spread(costs);
  },
});

const readsAmongMany = (group: StoreName): Target => ({
  id: `growth/read/${group}`,
  what: `time of a read on node:http with ${group} in the largest table, to the smallest`,
  bound: { atMost: 1.3 },
  from({ blocks }) {
    const bySize = blocks
      .filter((block) => block.group === group && block.scenario === "read")
      .map(({ measurements }) => measurements.filter(({ library }) => library === "psession"))
      .find((measurements) => new Set(measurements.map(({ rows }) => rows)).size > 1)
      ?.toSorted((a, b) => a.rows - b.rows);
    const [least, most] = [bySize?.at(0), bySize?.at(-1)];
    return least && most && ratio(least, most);
  },
});

const grows = (
  id: string,
  what: string,
  atMost: number,
  of: (smallest: GrowthResult, largest: GrowthResult) => Spread | undefined,
): Target[] =>
  SERVERS.map((store) => ({
    id: `growth/${id}/${store}`,
    what: `${what}, ${store}`,
    bound: { atMost },
    from({ growth }) {
      const sizes = growth.filter((one) => one.store === store).toSorted((a, b) => a.rows - b.rows);
      const [smallest, largest] = [sizes.at(0), sizes.at(-1)];
      return smallest && largest && smallest !== largest ? of(smallest, largest) : undefined;
    },
  }));

const single = (value: number): Spread | undefined =>
  Number.isNaN(value) ? undefined : { median: value, least: value, most: value };

/** Milliseconds for a row, by how many were deleted at a time. */
const pruneCost = ({ prune }: GrowthResult, of: "few" | "many"): number => {
  const counts = prune.map(({ deleted }) => deleted);
  const count = of === "few" ? Math.min(...counts) : Math.max(...counts);
  return median(
    prune.filter(({ deleted }) => deleted === count).map(({ milliseconds }) => milliseconds / count),
  );
};

export const TARGETS: readonly Target[] = [
  readOnNode("postgres", 1, 0.9, "one prepared SELECT"),
  readOnNode("postgres", 16, 1.2, "one prepared SELECT"),
  readOnNode("postgres", 64, 2, "one prepared SELECT"),
  readOnNode("postgres", 256, 2.5, "one prepared SELECT"),
  readOnNode("redis", 64, 1, "one GET"),
  readOnNode("sqlite", USUAL, 0.7, "one prepared SELECT"),
  readBesidePeer("express", "postgres", ["psession", "express-session, connect-pg-simple"], 3),
  readBesidePeer("express", "postgres", ["psession, drop-in", "express-session, connect-pg-simple"], 2),
  readBesidePeer("fastify", "redis", ["psession", "@fastify/session, connect-redis"], 2),
  readBesidePeer("fastify", "redis", ["psession", "@fastify/session, connect-redis, rolling: false"], 1.2),
  readBesidePeer("hono", "redis", ["psession", "@hono/session, storage"], 3),
  readBesidePeer("hono", "cookie", ["psession", "@hono/session, cookie"], 3),
  ...(["fastify", "hono", "koa", "fetch"] as const).map(asksNothing),
  ...SERVERS.map((store) => besideSameStatements("write", store)),
  ...SERVERS.map((store) => besideSameStatements("login", store)),
  ownCpu,
  ...(["fastify", "hono", "koa", "fetch"] as const).map(untouchedCpu),
  ...SERVERS.map((store) => comesBackIn("express", store)),
  comesBackIn("fastify", "postgres"),
  comesBackIn("fastify", "redis"),
  ...SERVERS.map(readsAmongMany),
  // Growth with the table would show as a thousand. Rows of a table that outgrows the memory of its database lie
  // further apart and cost more each, which these targets do not cover.
  ...grows("prune", "time to prune a row in the largest table, to the smallest", 10, (smallest, largest) =>
    single(pruneCost(largest, "few") / pruneCost(smallest, "few")),
  ),
  ...grows("prune many", "time to prune one of many rows, to one of few", 10, (_, largest) =>
    single(pruneCost(largest, "many") / pruneCost(largest, "few")),
  ),
  ...grows(
    "prune nothing",
    "time to find nothing to prune in the largest table, to the smallest",
    2,
    (a, b) => single(median(b.pruneNothing) / median(a.pruneNothing)),
  ),
  ...grows("devices", "time to list a user's devices in the largest table, to the smallest", 1.3, (a, b) =>
    single(median(b.devices) / median(a.devices)),
  ),
];

export function judge(results: Results, targets: readonly Target[] = TARGETS): Verdict[] {
  return targets.map(({ id, what, bound, from }) => {
    const value = from(results);
    return { id, what, bound, value, isMet: value && holds(value.median, bound) };
  });
}

const holds = (value: number, bound: Bound): boolean =>
  "atLeast" in bound ? value >= bound.atLeast : value <= bound.atMost;
