import type { Command } from "commander";
import { protocolTimes } from "../../protocol/times.ts";
import { clockDifference } from "../../upkeep/clock-watch.ts";
import { NOTHING_PRUNED, notePrune, plus, pruneInChunks } from "../../upkeep/prune.ts";
import { type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import type { Environment } from "../environment.ts";
import { EXIT, Stop } from "../exit.ts";
import { moment, plural, say, sayJson } from "../output.ts";
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
      "Deletes rows past their deadline, in chunks. Applications do so by themselves unless their option prune is false; then run this at least daily.",
    )
    .option("--chunk <rows>", "rows per statement", wholeNumber(1, 100_000), 1000)
    .option("--json", "answer as JSON")
    .action((flags: Flags) => withConfig(environment, flags, (config) => prune(environment, config, flags)));
}

async function prune(environment: Environment, config: Config, { chunk, json }: Flags): Promise<void> {
  const { store, clock, audit } = config;
  const now = clock.now();
  const difference = await clockDifference({ ...config, times: protocolTimes });
  if (difference !== undefined) {
    const { at, storeTime } = difference;
    throw new Stop(
      EXIT.failed,
      `Nothing is deleted: here it is ${moment(at)}, and by the database's clock ${moment(storeTime)}. Let both take their time from NTP.`,
    );
  }
  const { tables = [] } = (await store.admin?.inspect()) ?? {};
  const most = tables.reduce((sum, { rows }) => sum + rows, 0);
  // Recorded, so that `doctor` knows that pruning happens.
  await notePrune(store, now);
  const progress = showProgress(environment, { message: "Deleting rows", most, isQuiet: json });
  let total = NOTHING_PRUNED;
  const summary = () => {
    const sessions = plural(total.sessions, "session");
    const logins = plural(total.logins, "remembered login");
    const entries = plural(total.audit, "audit entry", "audit entries");
    const deleted =
      audit === undefined ? `${sessions} and ${logins}` : `${sessions}, ${logins} and ${entries}`;
    const forgotten = plural(total.addresses, "address", "addresses");
    return `Deleted ${deleted}.${config.keepAddresses === undefined ? "" : ` Forgot ${forgotten}.`}`;
  };
  try {
    for await (const deleted of pruneInChunks(config, now, chunk)) {
      total = plus(total, deleted);
      progress.advance(deleted.sessions + deleted.logins + deleted.audit, summary());
      if (environment.interrupted.aborted) break;
    }
  } catch (error) {
    progress.failed(`${summary()} Then something failed.`);
    throw error;
  }
  progress.done("Rows past their deadline are gone.");
  if (json) sayJson(environment, total);
  else say(environment, summary());
}
