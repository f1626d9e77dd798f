/** The measurements, the contenders of each, and their order. */
import { type Contender, idOf } from "./contenders/index.ts";
import { SCENARIOS, type Scenario, STORES, type StoreName } from "./workload.ts";

/** Measurements that are not visits over http. */
export const PASSES = ["cpu", "growth", "size"] as const;
export type Pass = (typeof PASSES)[number];

export interface Wishes {
  readonly scenarios: readonly (Scenario | Pass)[];
  readonly stores: readonly StoreName[];
  readonly connections: readonly number[];
  readonly rows: readonly number[];
  /** Contenders whose ids match. */
  readonly only: RegExp | undefined;
  readonly isQuick: boolean;
}

export interface Entry {
  readonly contender: Contender;
  readonly rows: number;
}

/** Entries take turns, round by round. */
export interface Block {
  readonly group: StoreName;
  readonly scenario: Scenario;
  readonly connections: number;
  readonly entries: readonly Entry[];
}

export interface Plan {
  readonly blocks: readonly Block[];
  readonly passes: readonly Pass[];
  /** In which growth is measured. */
  readonly growing: readonly StoreName[];
  /** Contenders whose sessions' size is measured. */
  readonly sizes: readonly Contender[];
}

/** For scenarios with only one number of connections or rows. */
const USUAL_CONNECTIONS = 16;

export function planRun(contenders: readonly Contender[], wishes: Wishes): Plan {
  const { scenarios, stores, only } = wishes;
  const wanted = contenders.filter((contender) => only === undefined || only.test(idOf(contender)));
  const groups = stores.map((group) => ({ group, members: wanted.filter((one) => belongs(one, group)) }));
  const visits = SCENARIOS.filter((scenario) => scenarios.includes(scenario));
  const blocks = groups.flatMap(({ group, members }) => [
    ...visits.flatMap((scenario) => blocksOf(group, members, scenario, wishes)),
    ...(visits.includes("read") ? growing(group, members, wishes) : []),
  ]);
  return {
    blocks: blocks.filter(({ entries }) => entries.length > 0),
    passes: PASSES.filter((pass) => scenarios.includes(pass)),
    growing: stores.filter((store) => store !== "cookie" && scenarios.includes("growth")),
    sizes: wanted.filter((one) => scenarios.includes("size") && stores.includes(one.store) && isWeighed(one)),
  };
}

/** Beside libraries that need no store, psession uses the store that needs no server. */
function belongs({ store, kind, framework, library }: Contender, group: StoreName): boolean {
  if (store === group) return true;
  const hasCookiePeer = framework === "node" || framework === "hono" || framework === "koa";
  return (
    group === "cookie" && store === "sqlite" && kind === "ours" && library === "psession" && hasCookiePeer
  );
}

function blocksOf(
  group: StoreName,
  members: readonly Contender[],
  scenario: Scenario,
  { connections, rows, isQuick }: Wishes,
): Block[] {
  const able = members.filter((contender) => contender.scenarios.includes(scenario));
  const numbers = scenario === "read" ? connections : [usualConnections(connections)];
  return numbers.map((number) => ({
    ...{ group, scenario, connections: number },
    entries: able
      .filter((one) => !isQuick || (one.store === group && isKeyIn(one, scenario, number)))
      .map((contender) => ({ contender, rows: usual(rows) })),
  }));
}

/** The same reads by the number of other rows. */
function growing(group: StoreName, members: readonly Contender[], { connections, rows }: Wishes): Block[] {
  const one = members.filter(({ framework, kind, store, library }) => {
    const isPlain = kind === "floor" || library === "psession";
    return framework === "node" && store === group && store !== "cookie" && isPlain;
  });
  if (rows.length < 2) return [];
  const entries = rows.flatMap((number) => one.map((contender) => ({ contender, rows: number })));
  return [{ group, scenario: "read", connections: usualConnections(connections), entries }];
}

const usualConnections = (connections: readonly number[]): number =>
  connections.includes(USUAL_CONNECTIONS) ? USUAL_CONNECTIONS : (connections[0] ?? USUAL_CONNECTIONS);

/** The one in the middle. */
const usual = (rows: readonly number[]): number => rows[Math.floor(rows.length / 2)] ?? 0;

/** A library's rows do not depend on the framework: one for each library and store. */
const isWeighed = ({ kind, framework, library }: Contender): boolean =>
  kind === "peer" || (kind === "ours" && (framework === "node" || library !== "psession"));

/** Only the contenders and scenarios of the targets: for a first impression. */
function isKeyIn(
  { library, framework, store, kind }: Contender,
  scenario: Scenario,
  connections: number,
): boolean {
  const on = `${framework}/${store}`;
  const isLazy = framework !== "node" && framework !== "express";
  if (scenario === "untouched") return kind === "ours" && store === "redis" && isLazy;
  if (scenario === "restore") return on === "express/postgres" && kind === "ours";
  if (scenario === "write") return on === "node/postgres" && kind !== "peer";
  if (scenario === "login") return on === (kind === "peer" ? "express/postgres" : "node/postgres");
  if (scenario !== "read") return false;
  if (framework === "node") {
    const isMeant = connections > USUAL_CONNECTIONS ? store === "redis" : store === "sqlite";
    return kind !== "peer" && (store === "postgres" || isMeant);
  }
  if (connections > USUAL_CONNECTIONS || kind === "floor") return false;
  if (on === "express/postgres") return !library.includes("drop-in on");
  return on === "fastify/redis" || on === "hono/redis";
}

/** For names of groups in reports. */
export const GROUP_NAMES: Readonly<Record<StoreName, string>> = {
  postgres: "PostgreSQL",
  mysql: "MariaDB",
  sqlite: "SQLite",
  redis: "Redis",
  cookie: "no server",
};

export const orderOfGroups = (a: { group: StoreName }, b: { group: StoreName }): number =>
  STORES.indexOf(a.group) - STORES.indexOf(b.group);
