import type { Command } from "commander";
import type { Store } from "../../stores/store.ts";
import { type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import type { Environment } from "../environment.ts";
import { say, sayJson } from "../output.ts";
import { showProgress } from "../progress.ts";

interface Flags extends ConfigFlags {
  readonly json?: true;
}

/** @internal */
export function addMigrate(program: Command, environment: Environment): void {
  takesConfig(program.command("migrate"))
    .summary("create or update the tables")
    .description(
      "Creates or updates the tables of the store. Safe to run from many places at once: one does it, the others find nothing left to do. Tables that other options made are made anew while all of them are empty, and left alone otherwise.",
    )
    .option("--json", "answer as JSON")
    .action((flags: Flags) =>
      withConfig(environment, flags, ({ store }) => migrate(environment, store, flags)),
    );
}

async function migrate(environment: Environment, store: Store, { json }: Flags): Promise<void> {
  const progress = showProgress(environment, { message: "Bringing tables up to date", isQuiet: json });
  let ran: readonly string[] | undefined;
  try {
    ran = await store.migrate?.({ remakesEmpty: true });
  } catch (error) {
    progress.failed("The tables could not be brought up to date.");
    throw error;
  }
  progress.done("Tables are up to date.");
  if (json) sayJson(environment, { store: store.name, hasTables: ran !== undefined, ran: ran ?? [] });
  else if (ran === undefined) say(environment, `The store "${store.name}" has no tables to make.`);
  else if (ran.length === 0) say(environment, "Nothing to do: all tables are there and up to date.");
  else say(environment, ran.map((name) => `Done: ${name}`).join("\n"));
}
