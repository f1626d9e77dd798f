import { createServer as createHttp, type Server } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { createDemo, type Demo } from "./app.ts";
import { HOST } from "./site.ts";
import { type DemoTls, howToTrust, openTls } from "./tls.ts";

/** Localhost only: the demo has a lab that other people must not reach. */
const LOOPBACK = "127.0.0.1";
const DEFAULT_PORTS = { http: "3000", https: "3443" } as const;
const DEFAULT_DIR = resolve(import.meta.dirname, "../../.demo");
const PATIENCE_MS = 1000;

try {
  const isHttps = readFlags(process.argv.slice(2));
  const port = readPort(process.env["PORT"] || DEFAULT_PORTS[isHttps ? "https" : "http"]);
  const dir = process.env["PSESSION_DEMO_DIR"] || DEFAULT_DIR;
  const tls = isHttps ? openTls(dir) : undefined;
  start(createDemo({ dir, tls }), { port, dir, tls });
} catch (error) {
  fail(error);
}

interface Start {
  readonly port: number;
  readonly dir: string;
  readonly tls: DemoTls | undefined;
}

function start(demo: Demo, { port, dir, tls }: Start): void {
  const server = tls === undefined ? createHttp(demo.app) : createHttps(tls, demo.app);
  server.once("error", (error) =>
    fail(isInUse(error) ? `port ${port} is in use. Set PORT to another one.` : error),
  );
  server.listen(port, LOOPBACK, () => {
    const { port: actual } = server.address() as AddressInfo;
    const address = `${tls === undefined ? "http" : "https"}://${HOST}:${actual}`;
    console.log(`psession demo: ${address}`);
    if (tls !== undefined) console.log(howToTrust(tls, address, dir));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop(server, demo));
  });
}

function stop(server: Server, demo: Demo): void {
  server.close(() => void demo.close());
  // A browser that keeps its connection must not keep the demo.
  setTimeout(() => server.closeAllConnections(), PATIENCE_MS).unref();
}

function readFlags(flags: readonly string[]): boolean {
  const [wrong] = flags.filter((flag) => flag !== "--https");
  if (wrong === undefined) return flags.length > 0;
  throw new Error(`there is no flag ${wrong}: only --https.`);
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new Error(`PORT must be a whole number from 0 to 65535, not "${text}".`);
}

/** A person who starts the demo needs the reason, not a stack. */
function fail(error: unknown): never {
  const reason = error instanceof Error ? error.message : String(error);
  // psession names several faults on several lines.
  console.error(`psession demo cannot start: ${reason.replaceAll(/\s*\n\s*/g, " ")}`);
  process.exit(1);
}

function isInUse(error: Error): boolean {
  return "code" in error && error.code === "EADDRINUSE";
}
