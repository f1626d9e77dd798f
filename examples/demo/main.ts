import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { createDemo, type Demo } from "./app.ts";

/** Localhost only: the demo speaks plain http and has a lab that other people must not reach. */
const HOST = "127.0.0.1";
const DEFAULT_PORT = "3000";
const DEFAULT_DIR = resolve(import.meta.dirname, "../../.demo");
const PATIENCE_MS = 1000;

try {
  const port = readPort(process.env["PORT"] || DEFAULT_PORT);
  const demo = createDemo({ dir: process.env["PSESSION_DEMO_DIR"] || DEFAULT_DIR });
  start(demo, port);
} catch (error) {
  fail(error);
}

function start(demo: Demo, port: number): void {
  const server = demo.app.listen(port, HOST, (error) => {
    if (error) return fail(isInUse(error) ? `port ${port} is in use. Set PORT to another one.` : error);
    const { port: actual } = server.address() as AddressInfo;
    console.log(`psession demo: http://localhost:${actual}`);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop(server, demo));
  });
}

function stop(server: Server, demo: Demo): void {
  server.close(() => void demo.close());
  // A browser that keeps its connection must not keep the demo.
  setTimeout(() => server.closeAllConnections(), PATIENCE_MS).unref();
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
