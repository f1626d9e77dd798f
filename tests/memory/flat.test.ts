import { fork } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";

const MEBIBYTE = 1024 * 1024;

test("a million requests leave nothing behind: the heap is as large after all of them as after a quarter", async () => {
  const child = fork(new URL("./visits.ts", import.meta.url), {
    execArgv: ["--expose-gc", "--max-old-space-size=64"],
  });
  onTestFinished(() => void child.kill());
  const exited = once(child, "exit").then(([code]) => {
    throw new Error(`The process ended with code ${code}, before its answer.`);
  });
  const [[early = 0, late = 0]] = (await Promise.race([once(child, "message"), exited])) as [number[]];
  console.log(`heap after 250,000 and 1,000,000 requests: ${early} and ${late} bytes`);
  expect(late - early).toBeLessThan(MEBIBYTE);
}, 300_000);
