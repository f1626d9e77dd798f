import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { expectEveryKill, exploring, TIMEOUT } from "./exploring.ts";
import { mutants } from "./mutant-list.ts";
import { scenes } from "./scenes.ts";

/** `npm run explore` goes deeper. */
const MAIN = resolve(import.meta.dirname, "main.ts");

describe.concurrent("exploration of the real code", () => {
  test("finds no schedule that breaks a promise", TIMEOUT, async () => {
    const total = await exploring(MAIN, "--states", "12000", "--walks", "40");
    expect(total).toMatchObject({ failed: 0, scenes: scenes.length });
    expect(total.states).toBeGreaterThan(300_000);
  });

  test("kills every mutant", TIMEOUT, () => expectEveryKill(MAIN, mutants));
});
