#!/usr/bin/env node
void main();

async function main(): Promise<void> {
  // psession refuses an old Node as it is loaded, in a sentence that needs no stack.
  const { createProgram, runProgram } = await import("./program.ts").catch((error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
  const interruption = new AbortController();
  process.once("SIGINT", () => interruption.abort());
  process.once("SIGTERM", () => interruption.abort());
  // The reader of a pipe may stop early: psession sessions | head.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

  const program = createProgram({
    cwd: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    interrupted: interruption.signal,
  });
  const exitCode = await runProgram(program, process.argv.slice(2), process.stderr);
  // A pool of the configuration would keep the process alive: it is the application's, and no command closes it.
  process.stdout.write("", () => process.exit(exitCode));
}
