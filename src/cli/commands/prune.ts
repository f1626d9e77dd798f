import type { Command } from "commander";
import { pruneInChunks } from "../../prune.ts";
import { type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import type { Environment } from "../environment.ts";
import { plural, say, sayJson } from "../output.ts";
import { showProgress } from "../progress.ts";
import { wholeNumber } from "../values.ts";

interface Flags extends ConfigFlags {
  readonly chunk: number;
  readonly json?: true;
}

/** @internal */
export function addPrune(program: Command, environment: Environment): void {
  takesConfig(program.command("prune"))
    .summary("delete rows past their deadline")
    .description(
      "Deletes rows past their deadline, in chunks. Applications do so by themselves unless their option prune is false; then run this from time to time.",
    )
    .option("--chunk <rows>", "rows per statement", wholeNumber(1, 100_000), 1000)
    .option("--json", "answer as JSON")
    .action((flags: Flags) => withConfig(environment, flags, (config) => prune(environment, config, flags)));
}

async function prune(
  environment: Environment,
  { store, clock }: Config,
  { chunk, json }: Flags,
): Promise<void> {
  const now = clock.now();
  const { tables = [] } = (await store.admin?.inspect()) ?? {};
  const most = tables.reduce((sum, { rows }) => sum + rows, 0);
  // Recorded, so that `doctor` knows that somebody prunes.
  await store.claimPrune(now, 1);
  const progress = showProgress(environment, { message: "Deleting rows", most, isQuiet: json });
  const total = { sessions: 0, logins: 0 };
  const told = () =>
    `Deleted ${plural(total.sessions, "session")} and ${plural(total.logins, "remembered login")}.`;
  try {
    for await (const { sessions, logins } of pruneInChunks(store, now, chunk)) {
      total.sessions += sessions;
      total.logins += logins;
      progress.advance(sessions + logins, told());
      if (environment.interrupted.aborted) break;
    }
  } catch (error) {
    progress.failed(`${told()} Then something failed.`);
    throw error;
  }
  progress.done("Rows past their deadline are gone.");
  if (json) sayJson(environment, total);
  else say(environment, told());
}
