#!/usr/bin/env node
import { assertNode } from "../node-version.ts";

try {
  assertNode();
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
const { createProgram, runProgram } = await import("./program.ts");

const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort());
process.once("SIGTERM", () => interruption.abort());
// Whoever reads may have seen enough: psession sessions | head.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const program = createProgram({
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  interrupted: interruption.signal,
});
// A pool of the configuration would keep the process: it belongs to the application, and nobody closes it here.
void runProgram(program, process.argv.slice(2), process.stderr).then((exitCode) =>
  process.stdout.write("", () => process.exit(exitCode)),
);
