/**
 * The cost of recording a request's arrival, and of running its handler as part of it, in nanoseconds of CPU:
 * `node bench/request.ts`. Medians of blocks that take turns.
 */
import { channel } from "node:diagnostics_channel";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { momentOf } from "../src/integration/node/arrivals.ts";
import { runInRequest } from "../src/request/context.ts";
import { forgetClock, watchClock } from "../src/request/moment.ts";

const TIMES = 100_000;
const BLOCKS = 21;

const starts = channel("http.server.request.start");
const socket = new Socket();
const message = () => new IncomingMessage(socket);
const arriving = () => {
  const request = message();
  // As Node does for a channel with a subscriber.
  if (starts.hasSubscribers) starts.publish({ request, response: undefined, socket, server: undefined });
  return request;
};

async function handler(): Promise<void> {
  for (let step = 0; step < 5; step++) await undefined;
}

type Work = () => unknown;
const WORKS: Record<string, { readonly bare: Work; readonly ours: Work }> = {
  "a request arrives, by the system's clock": { bare: message, ours: arriving },
  "a handler of five awaits, run in its request": {
    bare: handler,
    ours: () => runInRequest(momentOf(kept), handler),
  },
};
const kept = message();

async function block(work: Work): Promise<number> {
  const before = process.cpuUsage();
  for (let time = 0; time < TIMES; time++) {
    const working = work();
    if (working instanceof Promise) await working;
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / TIMES;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;

async function compare(name: string, bare: Work, ours: Work): Promise<void> {
  const times = { bare: [] as number[], ours: [] as number[] };
  for (let turn = 0; turn < BLOCKS; turn++) {
    times.bare.push(await block(bare));
    times.ours.push(await block(ours));
  }
  const [without, within] = [median(times.bare), median(times.ours)];
  console.log(`${name}: ${without.toFixed(0)} ns without, ${within.toFixed(0)} ns with`);
}

for (const [name, { bare, ours }] of Object.entries(WORKS)) await compare(name, bare, ours);
const clock = { now: () => Date.now() };
watchClock(clock);
await compare("a request arrives, by an injected clock as well", message, arriving);
forgetClock(clock);
