import { type Command, Option } from "commander";
import type { EraseOptions } from "../../account/erasure.ts";
import type { UserId } from "../../stores/store.ts";
import { type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import { assertAgreed } from "../confirm.ts";
import type { Environment } from "../environment.ts";
import { hint, plural, say, sayJson } from "../output.ts";
import { userIdOf } from "../values.ts";

interface Flags extends ConfigFlags, Pick<EraseOptions, "audit"> {
  readonly text?: true;
  readonly yes?: true;
  readonly json?: true;
}

/** @internal */
export function addEraseUser(program: Command, environment: Environment): void {
  takesConfig(program.command("erase-user"))
    .summary("delete all that is kept about a user")
    .description(
      "Deletes a user's sessions, remembered logins, trusted browsers and audit entries, for good. Delete the account in the application first, so that nobody signs in again.",
    )
    .argument("<id>", "the user's id in the application")
    .option("--text", "the id is text, though it looks like a number")
    .addOption(
      new Option("--audit <how>", "what becomes of the user's entries in the audit trail")
        .choices(["delete", "pseudonym"])
        .default("delete"),
    )
    .option("--yes", "do not ask")
    .option("--json", "answer as JSON")
    .action((id: string, flags: Flags) =>
      withConfig(environment, flags, (config) => erase(environment, config, id, flags)),
    );
}

async function erase(
  environment: Environment,
  config: Config,
  id: string,
  { text, audit, yes, json }: Flags,
): Promise<void> {
  // Before the question, as faulty options would fail the command after it.
  const service = config.service();
  const userId = userIdOf(id, config.store.userIds, text);
  await assertAgreed(environment, await questionOf(config, userId), yes);
  const erased = await service.eraseUser(userId, { audit });
  await service.flush();
  if (json) return sayJson(environment, { ...erased, audit: erased.audit ?? null });
  const rows = `${plural(erased.sessions, "session")} and ${plural(erased.logins, "remembered login")}`;
  const entries = plural(erased.audit ?? 0, "audit entry", "audit entries");
  const done = audit === "pseudonym" ? "made pseudonymous" : "deleted";
  say(environment, `Deleted ${rows}; ${entries} ${done}.`);
  if (erased.audit === undefined)
    hint(environment, "The audit entries are in a sink of the application's own, which cannot erase them.");
}

async function questionOf({ store }: Config, userId: UserId): Promise<string> {
  const { sessions, logins } = await store.rowsOf(userId);
  const rows = `${plural(sessions.length, "session")}, ${plural(logins.length, "remembered login")}`;
  return `Delete all about user ${JSON.stringify(userId)}, for good: ${rows}, and the audit entries?`;
}
