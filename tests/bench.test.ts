import { describe, expect, test } from "vitest";
import { CONTENDERS, idOf } from "../bench/contenders/index.ts";
import { type Plan, planRun, type Wishes } from "../bench/plan.ts";
import { bestPeerOf, type Measurement, median, type Results, ratio } from "../bench/results.ts";
import { judge, TARGETS, type Target } from "../bench/targets.ts";
import { FRAMEWORKS, SCENARIOS, STORES } from "../bench/workload.ts";

/** What `npm run bench` measures and what it makes of it; the figures themselves are no matter of tests. */

const everything: Wishes = {
  scenarios: [...SCENARIOS, "cpu", "growth", "size"],
  stores: STORES,
  connections: [1, 16, 64, 256],
  rows: [1000, 100_000, 1_000_000],
  only: undefined,
  isQuick: false,
};
const quick: Wishes = { ...everything, connections: [16, 64], rows: [1000], isQuick: true };

const withRates = (measurement: Partial<Measurement>, ...rates: number[]): Measurement => ({
  id: "",
  library: "psession",
  kind: "ours",
  framework: "node",
  store: "postgres",
  rows: 1000,
  statements: { alone: 0, together: 0 },
  rounds: rates.map((rate) => ({ rate, p50: 1, p99: 2, cpu: 100, failed: 0 })),
  ...measurement,
});

/** As if everybody of a plan had done as well as everybody else. */
function measured({ blocks }: Plan): Results {
  return {
    about: {
      at: "2026-01-01T00:00:00.000Z",
      node: "24.0.0",
      machine: "one",
      load: [0, 0],
      rounds: 1,
      seconds: 1,
      isQuick: false,
    },
    blocks: blocks.map(({ group, scenario, connections, entries }) => ({
      group,
      scenario,
      connections,
      measurements: entries.map(({ contender, rows }) => {
        const { library, kind, framework, store } = contender;
        return withRates({ id: idOf(contender), library, kind, framework, store, rows }, 1000);
      }),
    })),
    growth: [],
    sizes: [],
    refused: [],
  };
}

describe("the arithmetic", () => {
  test("medians of odd and even numbers of rounds", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test("ratios are taken per round, so a disturbance affects both sides", () => {
    const [ours, floor] = [withRates({}, 200, 20, 220), withRates({}, 100, 10, 100)];
    expect(ratio(ours, floor)).toEqual({ median: 2, least: 2, most: 2.2 });
  });

  test("the best peer is the fastest other library of the same framework", () => {
    const ours = withRates({ id: "ours" }, 10);
    const block = {
      group: "postgres",
      scenario: "read",
      connections: 16,
      measurements: [
        ours,
        withRates({ id: "slow", kind: "peer" }, 5),
        withRates({ id: "fast", kind: "peer" }, 8),
        withRates({ id: "elsewhere", kind: "peer", framework: "koa" }, 9),
        withRates({ id: "floor", kind: "floor" }, 20),
      ],
    } as const;
    expect(bestPeerOf(block, ours)?.id).toBe("fast");
  });
});

describe("the plan", () => {
  const plan = planRun(CONTENDERS, everything);

  test("ids of contenders are unique", () => {
    expect(new Set(CONTENDERS.map(idOf)).size).toBe(CONTENDERS.length);
  });

  test("every framework has psession and a floor with every store", () => {
    for (const framework of FRAMEWORKS) {
      for (const store of STORES.filter((name) => name !== "cookie")) {
        const kinds = CONTENDERS.filter((one) => one.framework === framework && one.store === store);
        expect(kinds.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["ours", "floor"]));
      }
    }
  });

  test("a contender runs only its own scenarios, and once per block", () => {
    for (const { scenario, entries } of plan.blocks) {
      for (const { contender } of entries) expect(contender.scenarios).toContain(scenario);
      const keys = entries.map(({ contender, rows }) => `${idOf(contender)} ${rows}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });

  test("--only and --store leave out all other contenders", () => {
    const some = planRun(CONTENDERS, { ...everything, only: /express-session/, stores: ["redis"] });
    const names = some.blocks.flatMap(({ entries }) => entries.map(({ contender }) => idOf(contender)));
    expect(new Set(names)).toEqual(new Set(["express-session, connect-redis / express / redis"]));
  });

  test("a quick run is a small part of a full one", () => {
    const turns = ({ blocks }: Plan) => blocks.reduce((sum, { entries }) => sum + entries.length, 0);
    expect(turns(planRun(CONTENDERS, quick))).toBeLessThan(turns(plan) / 10);
  });
});

describe("the targets", () => {
  /** The others follow from passes that this has no figures for. */
  const isOfVisits = ({ id }: { id: string }) => !/^(cpu|growth\/(prune|devices))/.test(id);

  test("a full run measures what each target needs", () => {
    const verdicts = judge(measured(planRun(CONTENDERS, everything))).filter(isOfVisits);
    expect(verdicts.filter(({ value }) => value === undefined).map(({ id }) => id)).toEqual([]);
    expect(verdicts.length).toBeGreaterThan(30);
  });

  test("a quick run measures what the key targets need", () => {
    const verdicts = judge(measured(planRun(CONTENDERS, quick)));
    const ids = verdicts.filter(({ value }) => value !== undefined).map(({ id }) => id);
    expect(ids).toEqual(
      expect.arrayContaining([
        "read/node/postgres/16",
        "read/node/postgres/64",
        "read/node/redis/64",
        "read/node/sqlite/16",
        "read/express/postgres/psession to express-session, connect-pg-simple",
        "read/fastify/redis/psession to @fastify/session, connect-redis",
        "read/hono/redis/psession to @hono/session, storage",
        "untouched/statements/koa",
        "write/node/postgres",
        "login/node/postgres",
        "restore/express/postgres",
      ]),
    );
  });

  test("each is met at its bound and missed beyond", () => {
    const value =
      (median: number): Target["from"] =>
      () => ({ median, least: median, most: median });
    const target = { id: "x", what: "x" };
    const judged = judge({ ...measured(planRun([], everything)) }, [
      { ...target, bound: { atLeast: 2 }, from: value(2) },
      { ...target, bound: { atLeast: 2 }, from: value(1.99) },
      { ...target, bound: { atMost: 2 }, from: value(2) },
      { ...target, bound: { atMost: 2 }, from: value(2.01) },
      { ...target, bound: { atMost: 2 }, from: () => undefined },
    ]);
    expect(judged.map(({ isMet }) => isMet)).toEqual([true, false, true, false, undefined]);
  });

  test("a restore is compared with the best other library's sign-in, by time", () => {
    const block = { group: "postgres", connections: 16 } as const;
    const on = { framework: "express" } as const;
    const results: Results = {
      ...measured(planRun([], everything)),
      blocks: [
        { ...block, scenario: "restore", measurements: [withRates(on, 400, 500, 600)] },
        { ...block, scenario: "login", measurements: [withRates({ ...on, id: "peer", kind: "peer" }, 750)] },
      ],
    };
    const verdict = judge(results).find(({ id }) => id === "restore/express/postgres");
    expect(verdict).toMatchObject({ value: { median: 1.5, least: 1.25, most: 1.875 }, isMet: true });
  });

  test("reads of a large table are compared with those of a small one, by time", () => {
    const results: Results = {
      ...measured(planRun([], everything)),
      blocks: [
        {
          ...{ group: "redis", scenario: "read", connections: 16 },
          measurements: [withRates({ rows: 1000 }, 1500), withRates({ rows: 1_000_000 }, 1000)],
        },
      ],
    };
    const verdict = judge(results).find(({ id }) => id === "growth/read/redis");
    expect(verdict).toMatchObject({ value: { median: 1.5 }, isMet: false });
  });

  test("one statement for an untouched session is one too many", () => {
    const results = measured(planRun(CONTENDERS, quick));
    const asking = {
      ...results,
      blocks: results.blocks.map((block) => ({
        ...block,
        measurements: block.measurements.map((one) => ({
          ...one,
          statements: { alone: 0, together: one.framework === "koa" ? 0.005 : 0 },
        })),
      })),
    };
    const verdicts = judge(asking).filter(({ id }) => id.startsWith("untouched/"));
    expect(verdicts.map(({ isMet }) => isMet)).toEqual([true, true, false, true]);
  });

  test("have ids of their own", () => {
    expect(new Set(TARGETS.map(({ id }) => id)).size).toBe(TARGETS.length);
  });
});
