/** The results of a run, as written to JSON, and the arithmetic over them. */
import type { Contender } from "./contenders/contender.ts";
import type { Framework, Scenario, StoreName } from "./workload.ts";

export interface Results {
  readonly about: About;
  readonly blocks: readonly BlockResult[];
  readonly cpu?: CpuResult | undefined;
  readonly growth: readonly GrowthResult[];
  readonly sizes: readonly SizeResult[];
  /** What was not measured, mostly contenders that did not work correctly. */
  readonly refused: readonly { readonly id: string; readonly why: string }[];
}

export interface About {
  readonly at: string;
  readonly node: string;
  readonly machine: string;
  /** Load average of the machine when the run began and when it ended. */
  readonly load: readonly [number, number];
  readonly rounds: number;
  readonly seconds: number;
  readonly isQuick: boolean;
}

/** Measurements taken in turn, so that their ratios are meaningful. */
export interface BlockResult {
  /** The group of contenders: those of a store, or those that need none. */
  readonly group: StoreName;
  readonly scenario: Scenario;
  readonly connections: number;
  readonly measurements: readonly Measurement[];
}

export interface Measurement {
  readonly id: string;
  readonly library: string;
  readonly kind: Contender["kind"];
  readonly framework: Framework;
  readonly store: StoreName;
  readonly rows: number;
  readonly rounds: readonly Round[];
  /** Per request: one request at a time, and as many at a time as were measured. */
  readonly statements: { readonly alone: number; readonly together: number } | undefined;
}

export interface Round {
  /** Requests per second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Microseconds of the server's CPU per request. */
  readonly cpu: number;
  readonly failed: number;
}

/** Microseconds, without http and without a store. */
export interface CpuResult {
  /** Opening, reading and committing a signed-in session. */
  readonly read: readonly number[];
  /** A page that does not ask for its session: what the middleware adds to the bare framework. */
  readonly untouched: Readonly<Record<string, readonly number[]>>;
  /** Bytes that an open session takes. */
  readonly openSession: number;
}

export interface GrowthResult {
  readonly store: StoreName;
  readonly rows: number;
  /** Milliseconds. */
  readonly pruneNothing: readonly number[];
  /** Milliseconds, by how many rows were deleted. */
  readonly prune: readonly { readonly deleted: number; readonly milliseconds: number }[];
  /** Milliseconds for the list of a user's five devices. */
  readonly devices: readonly number[];
}

export interface SizeResult {
  readonly id: string;
  readonly library: string;
  readonly framework: Framework;
  readonly store: StoreName;
  readonly remembered: boolean;
  /** Bytes in the store for each session, indexes included. */
  readonly stored: number | undefined;
  /** Bytes that the browser sends back with each request. */
  readonly cookie: number;
  /** Growth of the server's memory after 10,000 sign-ins, in bytes. */
  readonly held: number | undefined;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export const spread = (values: readonly number[]): Spread => ({
  median: median(values),
  least: Math.min(...values),
  most: Math.max(...values),
});

export const rates = ({ rounds }: Measurement): number[] => rounds.map(({ rate }) => rate);

/** Round by round, as a disturbance of the machine affects both. */
export function ratio(of: Measurement, to: Measurement): Spread {
  return spread(
    of.rounds.flatMap(({ rate }, at) => {
      const other = to.rounds[at]?.rate;
      return other === undefined ? [] : rate / other;
    }),
  );
}

/** The floor of the same framework: the same work without a session library. */
export const floorOf = (block: BlockResult, { framework, rows }: Measurement): Measurement | undefined =>
  block.measurements.find(
    (other) => other.kind === "floor" && other.framework === framework && other.rows === rows,
  );

/** The fastest other library on the same framework. */
export function bestPeerOf(block: BlockResult, { framework, id }: Measurement): Measurement | undefined {
  const peers = block.measurements.filter(
    (other) => other.kind === "peer" && other.framework === framework && other.id !== id,
  );
  return peers.toSorted((a, b) => median(rates(b)) - median(rates(a)))[0];
}
