import type { Command } from "commander";
import { LONGEST_PAGE } from "../../account/audit.ts";
import type { Why, WhyQuery } from "../../account/why.ts";
import { type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import type { Environment } from "../environment.ts";
import { moment, printable, say, sayJson } from "../output.ts";
import { userIdOf, wholeNumber } from "../values.ts";

interface Flags extends ConfigFlags {
  readonly user?: string;
  readonly text?: true;
  readonly handle?: string;
  readonly session?: string;
  readonly limit: number;
  readonly json?: true;
}

/** @internal */
export function addWhy(program: Command, environment: Environment): void {
  takesConfig(program.command("why"))
    .summary("say why a user was signed out")
    .description(
      "Says what became of each of a user's sign-ins, or of one device, the latest first: by the audit trail if the store keeps one, by rows, and by the records of ended logins.",
    )
    .option("--user <id>", "all devices of this user")
    .option("--text", "the user's id is text, though it looks like a number")
    .option("--handle <handle>", "this device; with --user it is found without a search")
    .option("--session <id>", "the device of this session")
    .option(
      "--limit <count>",
      "how many entries of the user's audit trail to read",
      wholeNumber(1, LONGEST_PAGE),
      1000,
    )
    .option("--json", "answer as JSON")
    .showHelpAfterError("(a handle that begins with a dash: psession why --handle=-x…)")
    .action((flags: Flags, command: Command) => {
      const { user, handle, session } = flags;
      if (user === undefined && handle === undefined && session === undefined)
        command.error("error: give one of --user, --handle and --session");
      if (handle !== undefined && session !== undefined)
        command.error("error: give one of --handle and --session");
      return withConfig(environment, flags, (config) => answer(environment, config, flags));
    });
}

async function answer(environment: Environment, config: Config, flags: Flags): Promise<void> {
  const { user, text, handle, session: sessionId, limit, json } = flags;
  const userId = user === undefined ? undefined : userIdOf(user, config.store.userIds, text);
  const query: WhyQuery = { userId, handle, sessionId, limit };
  const found = await config.service().why(query);
  if (json) return sayJson(environment, { why: found });
  const isAny = found.some((one) => one.handle !== undefined);
  if (!isAny) say(environment, `Nothing is known of a sign-in of user ${JSON.stringify(userId)}.`);
  for (const one of found) say(environment, lines(one));
}

function lines({ code, at, handle, userId, address, isRecorded, text }: Why): string {
  const facts = [
    handle === undefined ? undefined : `device ${handle}`,
    userId === undefined ? undefined : `user ${JSON.stringify(userId)}`,
    address === undefined ? undefined : `from ${address}`,
    isRecorded || handle === undefined ? undefined : "not recorded",
  ].filter((fact) => fact !== undefined);
  const head = handle === undefined ? "note" : `${moment(at)}  ${code}  ${facts.join(", ")}`;
  return `${printable(head)}\n  ${printable(text)}`;
}
