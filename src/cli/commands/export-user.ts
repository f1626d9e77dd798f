import type { Command } from "commander";
import { type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import type { Environment } from "../environment.ts";
import { sayJson } from "../output.ts";
import { userIdOf } from "../values.ts";

interface Flags extends ConfigFlags {
  readonly text?: true;
}

/** @internal */
export function addExportUser(program: Command, environment: Environment): void {
  takesConfig(program.command("export-user"))
    .summary("print all that is kept about a user, as JSON")
    .description(
      "Prints a user's sessions with their data, remembered logins, trusted browsers and audit entries, as JSON and without secrets. What it prints is personal data.",
    )
    .argument("<id>", "the user's id in the application")
    .option("--text", "the id is text, though it looks like a number")
    .action((id: string, flags: Flags) =>
      withConfig(environment, flags, async (config) => {
        const userId = userIdOf(id, config.store.userIds, flags.text);
        sayJson(environment, await config.service().exportUser(userId));
      }),
    );
}
