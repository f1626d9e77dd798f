import type { Command } from "commander";
import { endEverything } from "../../account/devices.ts";
import { coreOf } from "../../psession.ts";
import { MARK_OF_EVERYONE, markAt } from "../../request/marks.ts";
import type { Core } from "../../request/state.ts";
import { isMeant } from "../../stores/devices.ts";
import type { EndSelector, Mark } from "../../stores/store.ts";
import { entriesOf } from "../browsing.ts";
import { type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import { assertAgreed } from "../confirm.ts";
import type { Environment } from "../environment.ts";
import { EXIT, Stop } from "../exit.ts";
import { moment, plural, say, sayJson } from "../output.ts";
import { pointInTime } from "../values.ts";

interface Flags extends ConfigFlags {
  readonly before: number;
  readonly yes?: true;
  readonly json?: true;
}

const REASON = "restored";

/** @internal */
export function addRestored(program: Command, environment: Environment): void {
  takesConfig(program.command("restored"))
    .summary("end what a restored backup brought back")
    .description(
      "Ends sessions and remembered logins that were last used before a time: for a database that was restored from a backup, in which what was revoked or replaced since then is valid again.",
    )
    .requiredOption("--before <time>", "such as 2026-07-01T03:00Z: when the restore was done", pointInTime)
    .option("--yes", "do not ask")
    .option("--json", "answer as JSON")
    .action((flags: Flags) =>
      withConfig(environment, flags, (config) => restored(environment, config, flags)),
    );
}

async function restored(
  environment: Environment,
  config: Config,
  { before, yes, json }: Flags,
): Promise<void> {
  const now = config.clock.now();
  if (before > now) {
    throw new Stop(
      EXIT.usage,
      `--before ${moment(before)} lies in the future: here it is ${moment(now)}. Nothing was done.`,
    );
  }
  // Before the question, as faulty options would fail the command after it.
  const service = config.service();
  if (yes !== true) await assertAgreed(environment, await questionOf(config, before), yes);
  const core = coreOf(service);
  const ended = await endEverything(core, REASON, markOf(core, before, now), before);
  await service.flush();
  if (json) sayJson(environment, { ended });
  else say(environment, `Ended ${plural(ended, "device")}.`);
}

/** The restore lost marks, too: this one refuses what was proved before it. None for long ago, as proofs get too old. */
function markOf({ settings }: Core, before: number, now: number): Mark | undefined {
  const mark = markAt(MARK_OF_EVERYONE, before, settings);
  return mark.until > now ? mark : undefined;
}

/** Counts by the same rule as the end itself. Custom stores may have no `admin` to count with. */
async function questionOf({ store: { admin } }: Config, before: number): Promise<string> {
  const when = `last used before ${moment(before)}`;
  if (admin === undefined) return `Sign out whatever was ${when}?`;
  const selector = { everyone: true, lastUsedBefore: before } as EndSelector;
  let count = 0;
  for await (const entry of entriesOf(admin)) if (isMeant(entry, selector)) count += 1;
  return `Sign out ${plural(count, "device")} ${when}?`;
}
