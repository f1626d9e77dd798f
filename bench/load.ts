/**
 * The load generator, in a process of its own that stays for the whole run, so that it is as warm for the first
 * contender as for the last. It takes an `Order`, sends `warm` when it begins to count, and answers with a `LoadReport`.
 *
 * It is our own program, as server, database and load generator share the machine's cores, and the load generator
 * should take little CPU from the others. On a bare server at 64 connections autocannon takes about twice the CPU per
 * request, more than that server itself, so that it sends a third fewer requests; and it counts latencies in whole
 * milliseconds.
 */
import { connect } from "node:net";
import { createHistogram } from "node:perf_hooks";

export interface Order {
  readonly port: number;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly connections: number;
  /** Used in turn, and never by two connections at once. Empty: requests have no cookie. */
  readonly cookies: readonly string[];
  /** Milliseconds before and while it counts; or how many requests, of which the first sixth warms up. */
  readonly lasts: { readonly warmUp: number; readonly measured: number } | { readonly requests: number };
  /** A response that contains this is a failure, whatever its status. */
  readonly wrong: string;
}

export interface LoadReport {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  /** The first answer that was wrong. */
  readonly failure: string | undefined;
}

export type LoadMessage = { readonly warm: true } | LoadReport;

/** As a browser behind a proxy that speaks https sends them. */
export const HEADERS = {
  Host: "shop.example",
  "User-Agent":
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
  Accept: "application/json",
  "X-Forwarded-For": "192.0.2.1",
  "X-Forwarded-Proto": "https",
} as const;

if (process.send !== undefined && import.meta.main) {
  process.on("message", async (order: Order) => {
    process.send?.(await load(order, () => process.send?.({ warm: true })));
  });
  process.on("disconnect", () => process.exit());
}

export async function load(order: Order, onWarm: () => void = () => {}): Promise<LoadReport> {
  const { lasts } = order;
  const requests = requestsOf(order);
  const latencies = createHistogram({ figures: 3 });
  const most = "requests" in lasts ? lasts.requests : Number.POSITIVE_INFINITY;
  const uncounted = "requests" in lasts ? Math.floor(lasts.requests / 6) : Number.POSITIVE_INFINITY;
  let sent = 0;
  let answered = 0;
  let counted = 0;
  let failed = 0;
  let failure: string | undefined;
  let isCounting = false;
  let started = 0;
  let ended: number | undefined;
  const { promise: isOver, resolve: end } = Promise.withResolvers<void>();

  const count = () => {
    isCounting = true;
    started = performance.now();
    onWarm();
  };
  const stop = () => {
    if (ended !== undefined) return;
    ended = performance.now();
    end();
  };

  const fail = (answer: string) => {
    failed++;
    failure ??= answer;
  };
  const done = (milliseconds: number) => {
    answered++;
    if (isCounting && ended === undefined) {
      counted++;
      latencies.record(Math.max(1, Math.round(milliseconds * 1e6)));
    }
    if (!isCounting && answered >= uncounted) count();
    if (answered >= most) stop();
  };
  const next = (connection: number, turn: number): Buffer | undefined => {
    if (ended !== undefined || sent >= most) return undefined;
    // If each cookie may be used only once, all connections take from one list.
    const at = "requests" in lasts ? sent : connection + turn * order.connections;
    sent++;
    return requests[at % requests.length];
  };

  const sockets = Array.from({ length: order.connections }, (_, connection) =>
    drive(order, connection, { next, done, fail, stop }),
  );
  if (!("requests" in lasts)) {
    setTimeout(() => {
      count();
      setTimeout(stop, lasts.measured);
    }, lasts.warmUp);
  }
  await isOver;
  for (const socket of sockets) socket.destroy();
  const seconds = ((ended ?? 0) - started) / 1000;
  const at = (percentile: number) => latencies.percentile(percentile) / 1e6;
  return { requests: counted, seconds, p50: at(50), p99: at(99), failed, failure };
}

interface Driving {
  next(connection: number, turn: number): Buffer | undefined;
  done(milliseconds: number): void;
  fail(answer: string): void;
  stop(): void;
}

/** One keep-alive connection that sends the next request when a response is complete. */
function drive({ port, wrong }: Order, connection: number, { next, done, fail, stop }: Driving) {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let turn = 0;
  let sentAt = 0;
  let answer: Buffer | undefined;
  const send = () => {
    const request = next(connection, turn++);
    if (request === undefined) return;
    sentAt = performance.now();
    socket.write(request);
  };
  socket.on("connect", send);
  socket.on("data", (chunk) => {
    answer = answer === undefined ? chunk : Buffer.concat([answer, chunk]);
    if (!isComplete(answer)) return;
    const now = performance.now();
    // "HTTP/1.1 200": a success of any kind.
    if (answer[9] !== 50 || answer.includes(wrong)) fail(answer.toString("latin1"));
    answer = undefined;
    done(now - sentAt);
    send();
  });
  socket.on("error", (error) => {
    fail(String(error));
    stop();
  });
  return socket;
}

/** Responses are small and mostly come in one piece, so that scanning the whole again costs nothing. */
function isComplete(answer: Buffer): boolean {
  const head = answer.indexOf("\r\n\r\n");
  if (head === -1) return false;
  const headers = answer.toString("latin1", 0, head);
  const length = /^content-length: (\d+)/im.exec(headers)?.[1];
  if (length !== undefined) return answer.length >= head + 4 + Number(length);
  return answer.toString("latin1", answer.length - 5) === "0\r\n\r\n";
}

function requestsOf({ method, path, cookies }: Order): Buffer[] {
  const headers = Object.entries(HEADERS).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${method} ${path} HTTP/1.1\r\n${headers.join("")}${method === "POST" ? "Content-Length: 0\r\n" : ""}`;
  if (cookies.length === 0) return [Buffer.from(`${head}\r\n`)];
  return cookies.map((cookie) => Buffer.from(`${head}Cookie: ${cookie}\r\n\r\n`));
}
