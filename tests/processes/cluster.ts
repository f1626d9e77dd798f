/** Server processes that share one file, are killed, and come back. */
import { type ChildProcess, fork } from "node:child_process";
import { onTestFinished } from "vitest";
import type { EventName } from "../../src/index.ts";
import type { KillPoint, Numbered, Order, Report } from "./messages.ts";

/** How a process died: by itself at a point, or by the test's own SIGKILL. */
export type Death = KillPoint | "external";

export class Counter<Key> {
  readonly #counts = new Map<Key, number>();

  add(key: Key): void {
    this.#counts.set(key, this.of(key) + 1);
  }

  of(key: Key): number {
    return this.#counts.get(key) ?? 0;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  toString(): string {
    return [...this.#counts].map(([key, count]) => `${key} ${count}`).join(", ");
  }
}

/** All processes, on one file and with one clock. They end with the test. */
export class Cluster {
  readonly path: string;
  readonly servers: readonly ServerProcess[];
  readonly deaths = new Counter<Death>();
  readonly events = new Counter<EventName>();
  #now = Date.UTC(2030, 0, 1);

  private constructor(path: string, size: number) {
    this.path = path;
    this.servers = Array.from({ length: size }, () => new ServerProcess(this));
  }

  static async start(path: string, size: number): Promise<Cluster> {
    const cluster = new Cluster(path, size);
    onTestFinished(async () => void (await Promise.all(cluster.servers.map((server) => server.stop()))));
    await Promise.all(cluster.servers.map((server) => server.ready()));
    return cluster;
  }

  get now(): number {
    return this.#now;
  }

  at(index: number): ServerProcess {
    const server = this.servers[index];
    if (server === undefined) throw new Error(`there is no process ${index}`);
    return server;
  }

  /** Moves the clock of every process. Only while nothing is in flight: answers arrive within 30 s of this time. */
  async advance(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
    await Promise.all(this.servers.map((server) => server.tell({ kind: "clock", now: this.#now })));
  }

  /** Takes back faults that did not occur, and waits until every process that died is back. */
  async calm(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.disarm()));
  }

  async restart(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.restart()));
  }
}

const SERVER = new URL("./server.ts", import.meta.url);

/** One place in the cluster, and the process that serves there at the moment. */
export class ServerProcess {
  readonly #cluster: Cluster;
  readonly #acknowledge = new Map<number, () => void>();
  #orders = 0;
  #process: ChildProcess;
  #ready = Promise.withResolvers<string>();
  #gone = Promise.withResolvers<void>();
  #url = "";
  /** The death that the test wants of this process; any other is a failure. */
  #doom: Death | undefined;
  #isStopping = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#process = this.#start();
  }

  /** Where the process listens, or listened: a load balancer does not know at once that it died. */
  get url(): string {
    return this.#url;
  }

  /** Its address, once it listens. */
  ready(): Promise<string> {
    return this.#ready.promise;
  }

  /** When the present process is gone. */
  gone(): Promise<void> {
    return this.#gone.promise;
  }

  async arm(point: KillPoint, after: number): Promise<void> {
    this.#doom = point;
    await this.tell({ kind: "arm", point, after });
  }

  async disarm(): Promise<void> {
    await this.tell({ kind: "disarm" });
    this.#doom = undefined;
  }

  /** `kill -9`, whatever the process is doing. */
  kill(): void {
    this.#doom = "external";
    this.#process.kill("SIGKILL");
  }

  /** Returns when the process has obeyed, or when another one, which knows the time, has taken its place. */
  async tell(order: Order): Promise<void> {
    await this.#ready.promise;
    const { promise: isDone, resolve } = Promise.withResolvers<void>();
    const message: Numbered<Order> = { ...order, id: this.#orders++ };
    this.#acknowledge.set(message.id, resolve);
    const { promise: isGone } = this.#gone;
    // Sending fails where the process has just died, which is waited for as well.
    this.#process.send(message, () => {});
    await Promise.race([isDone, isGone]);
    this.#acknowledge.delete(message.id);
    await this.#ready.promise;
  }

  async restart(): Promise<void> {
    await this.stop();
    this.#isStopping = false;
    this.#renew();
    await this.#ready.promise;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#process.connected) this.#process.disconnect();
    await this.#gone.promise;
  }

  #start(): ChildProcess {
    const child = fork(SERVER, [this.#cluster.path, String(this.#cluster.now)]);
    child.on("message", (report: Report) => this.#hear(report));
    child.once("exit", (code, signal) => this.#exited(code, signal));
    // Whoever waits is told of the failure; nobody may be waiting.
    this.#ready.promise.catch(() => {});
    return child;
  }

  #renew(): void {
    this.#ready = Promise.withResolvers();
    this.#gone = Promise.withResolvers();
    this.#process = this.#start();
  }

  #hear(report: Report): void {
    if (report.kind === "event") this.#cluster.events.add(report.type);
    else if (report.kind === "done") this.#acknowledge.get(report.id)?.();
    else {
      this.#url = `http://127.0.0.1:${report.port}`;
      this.#ready.resolve(this.#url);
    }
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    const doom = this.#doom;
    const gone = this.#gone;
    this.#doom = undefined;
    if (signal === "SIGKILL" && doom !== undefined) this.#cluster.deaths.add(doom);
    else if (!this.#isStopping) return this.#fail(`A server process ended by itself: ${signal ?? code}.`);
    // The next one is there before anybody learns that this one is gone, or they would wait for the wrong one.
    if (!this.#isStopping) this.#renew();
    gone.resolve();
  }

  #fail(message: string): void {
    const failed = Promise.withResolvers<string>();
    failed.promise.catch(() => {});
    // Told to those who wait already, and to those who will.
    for (const { reject } of [this.#ready, failed]) reject(new Error(message));
    this.#ready = failed;
    this.#gone.resolve();
  }
}
