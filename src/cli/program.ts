import { Command, CommanderError } from "commander";
import { PsessionError, reasonOf } from "../errors.ts";
import { addDevices, addSessions } from "./commands/browse.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEraseUser } from "./commands/erase-user.ts";
import { addExportUser } from "./commands/export-user.ts";
import { addInit } from "./commands/init.ts";
import { addKeys } from "./commands/keys.ts";
import { addMigrate } from "./commands/migrate.ts";
import { addPrune } from "./commands/prune.ts";
import { addRestored } from "./commands/restored.ts";
import { addRevoke } from "./commands/revoke.ts";
import { addSchema } from "./commands/schema.ts";
import { addStats } from "./commands/stats.ts";
import { addUsers } from "./commands/users.ts";
import { addWatch } from "./commands/watch.ts";
import { addWhy } from "./commands/why.ts";
import type { Environment, Output } from "./environment.ts";
import { EXIT, Stop } from "./exit.ts";
import { manifest } from "./manifest.ts";
import { jsonOf } from "./output.ts";

const CODES = `
Exit codes: 0 done; 1 something failed, or doctor found a fault; 2 wrong usage; 3 you were asked and said no.`;

/**
 * The whole command line, in the order of its help.
 *
 * @internal
 */
export function createProgram(environment: Environment): Command {
  const { stdout, stderr } = environment;
  const program = new Command("psession")
    .description("Looks after psession, sessions for Node that survive.")
    .version(manifest.version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) })
    .showHelpAfterError("(--help says what there is)")
    .addHelpText("after", CODES);
  for (const add of [
    addInit,
    addMigrate,
    addSchema,
    addDoctor,
    addPrune,
    addUsers,
    addSessions,
    addDevices,
    addWhy,
    addRevoke,
    addExportUser,
    addEraseUser,
    addRestored,
    addKeys,
    addStats,
    addWatch,
  ]) {
    add(program, environment);
  }
  return program;
}

/**
 * Runs one command and gives its exit code.
 *
 * @internal
 */
export async function runProgram(
  program: Command,
  values: readonly string[],
  stderr: Output,
): Promise<number> {
  try {
    await program.parseAsync(values, { from: "user" });
    return EXIT.ok;
  } catch (error) {
    // Commander has printed it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const exitCode = error instanceof Stop ? error.exitCode : EXIT.failed;
    if (reasonOf(error) !== "") stderr.write(messageOf(error, values.includes("--json")));
    return exitCode;
  }
}

function messageOf(error: unknown, isJson: boolean): string {
  if (!isJson) return `psession: ${reasonOf(error)}\n`;
  const code = error instanceof PsessionError ? error.code : undefined;
  return `${jsonOf({ error: { code, message: reasonOf(error) } })}\n`;
}
