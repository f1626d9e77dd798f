import { expect, test } from "vitest";
import { KEY } from "../support/app.ts";
import { DAY } from "../support/clock.ts";
import { place, SQLITE, signIn } from "./places.ts";
import { CTRL_C, ENTER, Terminal } from "./terminal.ts";

/** A place whose configuration says everything itself: commands run in this process here. */
async function placeAtTerminal() {
  const there = await place(SQLITE);
  let count = 0;
  /** Each command gets a file of its own: a module is loaded once per process, and its store closed after use. */
  const start = (terminal: Terminal, ...values: string[]): Promise<number> => {
    const file = `config-${count++}.mjs`;
    there.configure({ file, options: `keys: ["${KEY}"], clock: { now: () => ${there.app.clock.now()} },` });
    return terminal.run(there.folder, ...values, "--config", file);
  };
  return { ...there, start };
}

test("revoke says how much it would end, asks, and takes no for an answer", async () => {
  const { app, start } = await placeAtTerminal();
  await signIn(app, "ada");
  await signIn(app, "ada");
  for (const keys of [ENTER, CTRL_C]) {
    const terminal = new Terminal();
    const done = start(terminal, "revoke", "--user", "ada");
    await terminal.press(keys, 'Sign user "ada" out of 2 devices?');
    expect(await done).toBe(3);
    expect(await app.psession.devices("ada")).toHaveLength(2);
  }
  const terminal = new Terminal();
  const done = start(terminal, "revoke", "--everyone");
  await terminal.press("y", "Sign ALL USERS out, everywhere?");
  expect(await done).toBe(0);
  expect(terminal.answer).toBe("Ended 2 devices.\n");
});

test("prune shows how far it is, and migrate what it does", async () => {
  const { app, start } = await placeAtTerminal();
  for (let at = 0; at < 3; at++) await signIn(app, "ada");
  app.clock.advance(60 * DAY);
  const pruning = new Terminal();
  expect(await start(pruning, "prune", "--chunk", "1")).toBe(0);
  expect(pruning.screen).toContain("Rows past their deadline are gone.");
  expect(pruning.answer).toBe("Deleted 3 sessions and 0 remembered logins.\n");
  const migrating = new Terminal();
  expect(await start(migrating, "migrate")).toBe(0);
  expect(migrating.screen).toContain("Tables are up to date.");
});

test("with --json nothing is drawn", async () => {
  const { start } = await placeAtTerminal();
  const terminal = new Terminal();
  expect(await start(terminal, "stats", "--json")).toBe(0);
  expect(terminal.screen).toBe("");
  expect(JSON.parse(terminal.answer)).toMatchObject({ signedIn: 0 });
});
