/** Starts servers, sends the load, and counts. */
import { Child } from "./child.ts";
import { idOf } from "./contenders/index.ts";
import type { LoadMessage, LoadReport, Order } from "./load.ts";
import type { Block, Entry } from "./plan.ts";
import type { BlockResult, Measurement, Round } from "./results.ts";
import { check, Running } from "./running.ts";
import type { Stores } from "./stores.ts";
import { type Scenario, VISITS } from "./workload.ts";

/** The load's process: one for the whole run. */
export class Load {
  readonly #child = new Child("./load.ts");

  async run(order: Order, onWarm: () => Promise<void> = async () => {}): Promise<LoadReport> {
    this.#child.send(order);
    for (;;) {
      const message = (await this.#child.next()) as LoadMessage;
      if ("warm" in message) await onWarm();
      else return message;
    }
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}

export const reasonOf = (error: unknown): string => {
  // A missing server is an error of many errors without messages.
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
};

export interface Timing {
  readonly rounds: number;
  readonly seconds: number;
}

/** Signed-in sessions that requests use in turn: never one twice at a time. */
const sessionsFor = (connections: number): number => Math.max(100, 2 * connections);
/** Some libraries keep a copy in the cookie for five minutes. */
const FRESH = 4 * 60_000;

interface Ready {
  readonly running: Running;
  cookies: readonly string[];
  signedInAt: number;
}

export interface TrackParts {
  readonly stores: Stores;
  readonly load: Load;
  readonly timing: Timing;
  /** Receives the reason why a contender was not measured, by its id. */
  readonly refused: Map<string, string>;
  /** Called at each step. */
  readonly onStep: (what: string) => void;
}

/** Measures a group, whose servers are all alive as long. */
export class Track {
  readonly #stores: Stores;
  readonly #load: Load;
  readonly #timing: Timing;
  readonly #refused: Map<string, string>;
  readonly #onStep: (what: string) => void;
  readonly #ready = new Map<string, Ready>();
  readonly #statements = new Map<string, Measurement["statements"]>();

  constructor({ stores, load, timing, refused, onStep }: TrackParts) {
    this.#stores = stores;
    this.#load = load;
    this.#timing = timing;
    this.#refused = refused;
    this.#onStep = onStep;
  }

  /** The number of steps of these blocks of one group. */
  static steps(blocks: readonly Block[], { rounds }: Timing): number {
    const turns = blocks.reduce((sum, { entries }) => sum + entries.length * rounds, 0);
    return turns + entriesOf(blocks).size;
  }

  async measure(blocks: readonly Block[]): Promise<BlockResult[]> {
    const connections = Math.max(...blocks.map((block) => block.connections));
    for (const [key, entry] of entriesOf(blocks)) {
      this.#onStep(`starting ${key}`);
      const visits = blocks.filter(({ entries }) => entries.some((one) => keyOf(one) === key));
      try {
        await this.#begin(entry, visits, connections);
      } catch (error) {
        this.#refuse(entry, error);
      }
    }
    const results: BlockResult[] = [];
    for (const block of blocks) results.push(await this.#measureBlock(block));
    await Promise.all(Array.from(this.#ready.values(), ({ running }) => running.stop()));
    this.#ready.clear();
    return results;
  }

  async #measureBlock(block: Block): Promise<BlockResult> {
    const { group, scenario, connections } = block;
    const fit = block.entries.filter(({ contender }) => !this.#refused.has(idOf(contender)));
    const rounds = new Map<Entry, Round[]>(fit.map((entry) => [entry, []]));
    for (let round = 0; round < this.#timing.rounds; round++) {
      // In alternating order, so that no contender always follows the same one.
      for (const entry of round % 2 === 0 ? fit : fit.toReversed()) {
        if (!rounds.has(entry)) continue;
        this.#onStep(`${nameOf(block)}, round ${round + 1}: ${idOf(entry.contender)}`);
        try {
          rounds.get(entry)?.push(await this.#round(entry, block));
        } catch (error) {
          rounds.delete(entry);
          this.#refuse(entry, error);
        }
      }
    }
    const measurements = Array.from(rounds, ([entry, done]): Measurement => {
      const { library, kind, framework, store } = entry.contender;
      return {
        ...{ id: idOf(entry.contender), library, kind, framework, store, rows: entry.rows },
        rounds: done,
        statements: this.#statements.get(countKey(entry, block)),
      };
    });
    return { group, scenario, connections, measurements };
  }

  /** A contender that fails does not affect the figures of the others. */
  #refuse({ contender }: Entry, error: unknown): void {
    this.#refused.set(idOf(contender), reasonOf(error));
  }

  /** Starts a contender, checks that it works correctly, warms it up, and counts its statements. */
  async #begin(entry: Entry, visits: readonly Block[], connections: number): Promise<void> {
    const { contender, rows } = entry;
    const place = await this.#stores.place(contender.store, contender.tables, String(rows));
    const running = await Running.start(contender, place);
    const ready: Ready = { running, cookies: [], signedInAt: 0 };
    this.#ready.set(keyOf(entry), ready);
    await check(
      running,
      visits.map(({ scenario }) => scenario),
    );
    // Only now do its tables exist for certain.
    await this.#stores.fillOnce(place, rows);
    const counting =
      contender.store === "cookie" ? undefined : Running.start(contender, place, { counts: true });
    // It starts while others are busy; its result is checked below.
    counting?.catch(() => {});
    await this.#freshen(ready, connections);
    await this.#warmUp(ready, visits);
    if (counting !== undefined) await this.#count(entry, visits, await counting, ready.cookies);
  }

  /** Production runs compiled code, so the first block should run it too. */
  async #warmUp({ running, cookies }: Ready, visits: readonly Block[]): Promise<void> {
    const requests = Math.ceil(10_000 * this.#timing.seconds);
    for (const { scenario } of visits) {
      if (VISITS[scenario].cookies === "remember") continue;
      const sent = await this.#cookiesFor(running, cookies, scenario, requests);
      await this.#send(running, sent, { scenario, connections: 16 }, { requests });
    }
  }

  async #freshen(ready: Ready, connections: number): Promise<void> {
    const count = sessionsFor(connections);
    const isFresh = Date.now() - ready.signedInAt < FRESH;
    if (isFresh && ready.cookies.length >= count) return;
    ready.cookies = await ready.running.signIn(count);
    ready.signedInAt = Date.now();
  }

  /** Exact: by a process of its own, which counts and is not measured. */
  async #count(
    entry: Entry,
    visits: readonly Block[],
    counting: Running,
    signedIn: readonly string[],
  ): Promise<void> {
    try {
      const perRequest = async (block: Block, connections: number, requests: number) => {
        const cookies = await this.#cookiesFor(counting, signedIn, block.scenario, requests);
        const before = await counting.ask({ ask: "statements" });
        await this.#send(counting, cookies, { ...block, connections }, { requests });
        return ((await counting.ask({ ask: "statements" })) - before) / requests;
      };
      for (const block of visits) {
        const { connections } = block;
        // Statements that are prepared once at the first use are not a cost of a request.
        await perRequest(block, connections, 2 * connections);
        const alone = await perRequest(block, 1, 50);
        const together = await perRequest(block, connections, Math.max(200, 8 * connections));
        this.#statements.set(countKey(entry, block), { alone, together });
      }
    } finally {
      await counting.stop();
    }
  }

  async #round(entry: Entry, block: Block): Promise<Round> {
    const ready = this.#ready.get(keyOf(entry));
    if (ready === undefined) throw new Error(`${keyOf(entry)} was not started.`);
    const { scenario, connections } = block;
    await this.#freshen(ready, connections);
    const { running } = ready;
    const { seconds } = this.#timing;
    const isOnce = VISITS[scenario].cookies === "remember";
    const requests = Math.ceil(1000 * seconds);
    const lasts = isOnce ? { requests } : { warmUp: Math.min(300, 500 * seconds), measured: 1000 * seconds };
    const cookies = await this.#cookiesFor(running, ready.cookies, scenario, requests);
    let before = 0;
    const report = await this.#send(running, cookies, block, lasts, async () => {
      before = await running.ask({ ask: "cpu" });
    });
    const cpu = ((await running.ask({ ask: "cpu" })) - before) / report.requests;
    const { p50, p99, failed, failure } = report;
    if (failure !== undefined) {
      process.stderr.write(`\n${keyOf(entry)}: ${failed} wrong answers, such as\n${failure}\n`);
    }
    return { rate: report.requests / report.seconds, p50, p99, cpu, failed };
  }

  async #cookiesFor(
    running: Running,
    signedIn: readonly string[],
    scenario: Scenario,
    requests: number,
  ): Promise<readonly string[]> {
    switch (VISITS[scenario].cookies) {
      case "none":
        return [];
      case "session":
        return signedIn;
      case "remember":
        return running.ask({ ask: "remembered", count: requests });
    }
  }

  #send(
    { port }: Running,
    cookies: readonly string[],
    { scenario, connections }: Pick<Block, "scenario" | "connections">,
    lasts: Order["lasts"],
    onWarm?: () => Promise<void>,
  ): Promise<LoadReport> {
    const { method, path, wrong } = VISITS[scenario];
    return this.#load.run({ port, method, path, connections, cookies, lasts, wrong }, onWarm);
  }
}

const keyOf = ({ contender, rows }: Entry): string => `${idOf(contender)}, ${rows} rows`;

const entriesOf = (blocks: readonly Block[]): Map<string, Entry> =>
  new Map(blocks.flatMap(({ entries }) => entries.map((entry) => [keyOf(entry), entry])));

const nameOf = ({ group, scenario, connections }: Block): string =>
  `${group}, ${scenario}, ${connections} connections`;

const countKey = (entry: Entry, { scenario, connections }: Block): string =>
  `${keyOf(entry)} ${scenario} ${connections}`;
