#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { reasonOf } from "../errors.ts";
import { addSchema } from "./commands/schema.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("psession")
  .description("Looks after the tables of psession, sessions for Node that survive.")
  .version(version)
  .exitOverride()
  .showHelpAfterError("(--help says what there is)");
addSchema(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

/** 0 for help that was asked for, 2 for wrong usage, 1 for what went wrong. */
function exitCodeOf(error: unknown): number {
  // Commander has told already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  console.error(`psession: ${reasonOf(error)}`);
  return 1;
}
