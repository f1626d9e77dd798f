/**
 * CPU per request of `psession/express-session` beside express-session, on an application's store, in one process
 * without a network: `node bench/drop-in.ts [rounds] [requests]`. Small blocks take turns in alternating order; the
 * figures are medians, in microseconds, and so is the ratio within each turn.
 */
import { IncomingMessage, type Server, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type express from "express";
import dropIn from "psession/express-session";
import { SETTINGS, sessionApp } from "./contenders/express-session.ts";
import { HEADERS } from "./load.ts";
import { PATHS } from "./workload.ts";

const [rounds = 200, requests = 100] = process.argv.slice(2).map(Number);
const UNTIL_COMPILED = 20_000;

const require = createRequire(import.meta.url);
const expressSession = require("express-session");

/** Rows as text, a turn of the event loop away. */
class TextStore extends expressSession.Store {
  readonly rows = new Map<string, string>();
  get(id: string, done: (error: unknown, session?: object) => void): void {
    const text = this.rows.get(id);
    setImmediate(done, null, text === undefined ? undefined : JSON.parse(text));
  }
  set(id: string, session: object, done: (error?: unknown) => void): void {
    this.rows.set(id, JSON.stringify(session));
    setImmediate(done);
  }
  destroy(id: string, done: (error?: unknown) => void): void {
    this.rows.delete(id);
    setImmediate(done);
  }
  touch(_id: string, _session: object, done: (error?: unknown) => void): void {
    setImmediate(done);
  }
}

/** Discards the output of a response. */
class Sink extends Duplex {
  readonly remoteAddress = "127.0.0.1";
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
  }
}

interface Asked {
  readonly method: string;
  readonly url: string;
}

/** One request that a server gets without a network. */
function visit(server: Server, { method, url }: Asked, cookie: string): Promise<ServerResponse> {
  return new Promise((resolve) => {
    const socket = new Sink() as unknown as Socket;
    const request = new IncomingMessage(socket);
    request.method = method;
    request.url = url;
    const headers = Object.entries({ ...HEADERS, ...(cookie === "" ? {} : { Cookie: cookie }) });
    request.headers = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
    request.rawHeaders.push(...headers.flat());
    request.push(null);
    const response = new ServerResponse(request);
    response.assignSocket(socket);
    response.on("finish", () => resolve(response));
    server.emit("request", request, response);
  });
}

interface Side {
  readonly server: Server;
  readonly cookie: string;
}

async function sideOf(middleware: unknown): Promise<Side> {
  const server = sessionApp(middleware as express.RequestHandler);
  const response = await visit(server, { method: "POST", url: PATHS.login }, "");
  const [line = ""] = [response.getHeader("set-cookie") ?? []].flat().map(String);
  return { server, cookie: line.split(";", 1)[0] ?? "" };
}

/** The same pages with a session object that is never stored. */
const none: express.RequestHandler = (request, _response, next) => {
  Object.assign(request, { session: { userId: "ada", regenerate: (done: () => void) => done() } });
  next();
};

const SIDES = {
  none: await sideOf(none),
  "express-session": await sideOf(expressSession({ ...SETTINGS, store: new TextStore() })),
  psession: await sideOf(
    dropIn({ ...SETTINGS, secret: [...SETTINGS.secret], store: new TextStore() as never }),
  ),
};

const SCENARIOS: Readonly<Record<string, Asked & { readonly isSignedIn: boolean }>> = {
  "no cookie": { method: "GET", url: PATHS.about, isSignedIn: false },
  read: { method: "GET", url: PATHS.cart, isSignedIn: true },
  write: { method: "POST", url: PATHS.count, isSignedIn: true },
  login: { method: "POST", url: PATHS.login, isSignedIn: false },
};

/** Microseconds of CPU. */
async function block(
  { server, cookie }: Side,
  { isSignedIn, ...asked }: Asked & { isSignedIn: boolean },
  times: number,
) {
  const before = process.cpuUsage();
  for (let time = 0; time < times; time++) await visit(server, asked, isSignedIn ? cookie : "");
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  const sides = Object.entries(SIDES);
  const costs = new Map(sides.map(([side]) => [side, [] as number[]]));
  for (const [, side] of sides) await block(side, scenario, UNTIL_COMPILED);
  for (let round = 0; round < rounds; round++) {
    for (const [side, it] of round % 2 === 0 ? sides : sides.toReversed())
      costs.get(side)?.push(await block(it, scenario, requests));
  }
  const of = (side: keyof typeof SIDES) => costs.get(side) ?? [];
  const ratios = of("express-session").map((theirs, round) => theirs / (of("psession")[round] ?? Number.NaN));
  const shown = sides.map(([side]) => `${side} ${median(of(side as keyof typeof SIDES)).toFixed(1)}`);
  console.log(
    `${name}: ${shown.join(", ")} µs; psession at ${median(ratios).toFixed(2)} of express-session's rate`,
  );
}
