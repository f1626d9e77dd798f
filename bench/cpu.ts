/**
 * psession's own CPU, in one process without network and store: `cpu.ts rounds requests`. Answers its parent with a
 * `CpuResult`.
 */
import { IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { memoryStore } from "psession";
import { serveShop, shopOn, signIn, VISITOR } from "./contenders/psession.ts";
import { servePages } from "./frameworks.ts";
import { HEADERS } from "./load.ts";
import { type CpuResult, median } from "./results.ts";
import { type Framework, PATHS } from "./workload.ts";

const [rounds = 0, requests = 0] = process.argv.slice(2).map(Number);
const LAZY: readonly Framework[] = ["fastify", "hono", "koa", "fetch"];
const OPEN_AT_ONCE = 10_000;
const UNTIL_COMPILED = 10_000;

/** Microseconds of CPU for each time. */
async function cost(work: () => Promise<unknown>, times = requests): Promise<number> {
  const before = process.cpuUsage();
  for (let time = 0; time < times; time++) await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

async function repeatedly(work: () => Promise<unknown>): Promise<number[]> {
  await cost(work, UNTIL_COMPILED);
  const costs: number[] = [];
  for (let round = 0; round < rounds; round++) costs.push(await cost(work));
  return costs;
}

/** A store that has the one row in memory: the remaining time is psession's own. */
const store = memoryStore();
const [cookie = ""] = await signIn(shopOn(store), "ada");
const id = /=([^.]+)/.exec(cookie)?.[1] ?? "";
const row = await store.findSession(id);
const psession = shopOn(Object.assign(store, { findSession: async () => row }));

async function open() {
  const exchange = psession.exchange({ ...VISITOR, cookie });
  const session = await exchange.open();
  if (session.userId !== "ada" || session.data.cart?.length !== 3)
    throw new Error("The session is not Ada's.");
  return { exchange, session };
}

async function read(): Promise<void> {
  const { exchange } = await open();
  await exchange.commit();
}

async function openSessionBytes(): Promise<number> {
  const collect = () => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const sessions: unknown[] = [];
  const before = collect();
  for (let count = 0; count < OPEN_AT_ONCE; count++) sessions.push(await open());
  return (collect() - before) / sessions.length;
}

/** Discards the output of a response. */
class Sink extends Duplex {
  readonly remoteAddress = "127.0.0.1";
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
  }
}

/** One request that a server gets without a network. */
function visitAbout(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const socket = new Sink() as unknown as Socket;
    const request = new IncomingMessage(socket);
    request.method = "GET";
    request.url = PATHS.about;
    const headers = Object.entries({ ...HEADERS, Cookie: cookie });
    request.headers = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
    request.rawHeaders.push(...headers.flat());
    request.push(null);
    const response = new ServerResponse(request);
    response.assignSocket(socket);
    response.on("finish", resolve);
    server.emit("request", request, response);
  });
}

/** The cost of the middleware for a page that does not open its session, in each round. */
async function untouchedOn(framework: Framework): Promise<number[]> {
  const nobody = async () => ({ body: {} });
  const bare = await servePages(framework, { cart: nobody, count: nobody, login: nobody });
  const ours = await serveShop(framework, psession);
  for (const server of [bare, ours]) await cost(() => visitAbout(server), UNTIL_COMPILED);
  const differences: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // Small parts in turn: a slow period of the machine slows both.
    const costs = new Map<Server, number[]>([
      [bare, []],
      [ours, []],
    ]);
    for (let part = 0; part < 10; part++) {
      for (const [server, list] of costs) list.push(await cost(() => visitAbout(server), requests / 10));
    }
    differences.push(median(costs.get(ours) ?? []) - median(costs.get(bare) ?? []));
  }
  return differences;
}

const untouched: Record<string, number[]> = {};
for (const framework of LAZY) untouched[framework] = await untouchedOn(framework);
const result: CpuResult = { read: await repeatedly(read), untouched, openSession: await openSessionBytes() };
process.send?.(result, () => process.exit());
