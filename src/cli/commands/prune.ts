import type { Command } from "commander";
import { pruneAudit, pruneInChunks } from "../../prune.ts";
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
  { store, clock, audit }: Config,
  { chunk, json }: Flags,
): Promise<void> {
  const now = clock.now();
  const { tables = [] } = (await store.admin?.inspect()) ?? {};
  const most = tables.reduce((sum, { rows }) => sum + rows, 0);
  // Recorded, so that `doctor` knows that somebody prunes.
  await store.claimPrune(now, 1);
  const progress = showProgress(environment, { message: "Deleting rows", most, isQuiet: json });
  const total = { sessions: 0, logins: 0, audit: 0 };
  const told = () => {
    const entries = audit === undefined ? "" : ` and ${plural(total.audit, "audit entry", "audit entries")}`;
    const rows = `${plural(total.sessions, "session")}${audit === undefined ? " and" : ","} ${plural(total.logins, "remembered login")}`;
    return `Deleted ${rows}${entries}.`;
  };
  try {
    for await (const { sessions, logins } of pruneInChunks(store, now, chunk)) {
      total.sessions += sessions;
      total.logins += logins;
      progress.advance(sessions + logins, told());
      if (environment.interrupted.aborted) break;
    }
    if (audit !== undefined && Number.isFinite(audit.keep) && !environment.interrupted.aborted) {
      for await (const deleted of pruneAudit(audit.sink, now - audit.keep, chunk)) {
        total.audit += deleted;
        progress.advance(deleted, told());
        if (environment.interrupted.aborted) break;
      }
    }
  } catch (error) {
    progress.failed(`${told()} Then something failed.`);
    throw error;
  }
  progress.done("Rows past their deadline are gone.");
  if (json) sayJson(environment, total);
  else say(environment, told());
}
