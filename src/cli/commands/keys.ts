import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { coreOf } from "../../psession.ts";
import { type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import { changeKeyList } from "../env-file.ts";
import type { Environment } from "../environment.ts";
import { EXIT, Stop } from "../exit.ts";
import { isTracked } from "../git.ts";
import { newestOf, newKey } from "../new-key.ts";
import { hint, moment, plural, say, sayJson } from "../output.ts";

interface RotateFlags extends ConfigFlags {
  readonly file?: string;
  readonly variable: string;
  readonly atEnd?: true;
  readonly promote?: true;
  readonly json?: true;
}

const ROTATE = `
With one process: psession keys rotate, restart.
With several, a process that does not know a key takes its cookies for forged. So make it known first:
  1. psession keys rotate --at-end     deploy everywhere
  2. psession keys rotate --promote    deploy everywhere
The keys behind the first may be dropped when nothing that they signed is alive; the command says when.
With --file, a file of environment variables is changed in place and no key is printed. Either step may be repeated.`;

/** @internal */
export function addKeys(program: Command, environment: Environment): void {
  const keys = program
    .command("keys")
    .summary("make keys, and exchange them")
    .description("Makes and exchanges keys.");
  keys
    .command("generate")
    .summary("print a new key")
    .description("Prints a new key: 32 random bytes, as text. To standard output only.")
    .option("--json", "answer as JSON")
    .action(({ json }: { json?: true }) => {
      const key = newKey();
      if (json) sayJson(environment, { key });
      else say(environment, key);
    });
  takesConfig(keys.command("rotate"))
    .summary("put a new key in front, and say when to drop older ones")
    .description(
      "Makes a new key, says where to put it and when older ones may be dropped. Keys that are there are never shown.",
    )
    .option("--file <file>", "change the keys in this file of environment variables")
    .option("--variable <name>", "the variable that holds the keys", variableName, "SESSION_KEYS")
    .addOption(new Option("--at-end", "make the new key known, without signing with it").conflicts("promote"))
    .option("--promote", "sign with the newest key from now on; makes none (needs --file)")
    .option("--json", "answer as JSON")
    .addHelpText("after", ROTATE)
    .action((flags: RotateFlags, command: Command) => {
      if (flags.promote && flags.file === undefined) command.error("error: --promote needs --file");
      return rotate(environment, flags);
    });
}

function variableName(text: string): string {
  if (/^[A-Za-z_]\w*$/.test(text)) return text;
  throw new InvalidArgumentError("It must be the name of a variable.");
}

async function rotate(environment: Environment, flags: RotateFlags): Promise<void> {
  const { file, variable, atEnd, promote, json } = flags;
  // Read before anything changes: lifetimes are those that cookies were given.
  const { env = file } = flags;
  const { lifetime, now } = await withConfig(environment, { ...flags, env }, async (config) => {
    const { session, remember } = coreOf(config.service()).settings;
    return { lifetime: Math.max(session.absolute, remember.absolute), now: config.clock.now() };
  });
  const isSigning = atEnd !== true;
  const droppable = isSigning ? now + lifetime : undefined;
  const step = promote ? "promote" : isSigning ? "front" : "end";
  const key = newKey();
  const changed = file === undefined ? undefined : await inFile(environment, file, variable, key, step);

  if (json) {
    const shown = changed === undefined ? { key } : { file, variable, ...changed };
    return sayJson(environment, {
      ...shown,
      position: isSigning ? "first" : "last",
      olderUntil: droppable ?? null,
    });
  }
  const place = isSigning ? "in front of the others" : "behind the others";
  if (changed === undefined) {
    say(environment, key);
    hint(environment, `Put it ${place} in the option keys, and deploy that to every process.`);
  } else {
    const [done, already] = promote
      ? ["The newest key is the first now", "The newest key is the first already, and nothing was changed"]
      : [`A new key is ${place} now`, "A key that does not sign yet is there already, and none was added"];
    const what = changed.changed ? done : already;
    say(
      environment,
      `${what}: ${variable} in ${file} has ${plural(changed.keys, "key")}. Deploy that to every process.`,
    );
  }
  if (droppable === undefined) {
    hint(environment, "When every process knows it, let it sign: psession keys rotate --promote.");
  } else {
    hint(
      environment,
      `From ${moment(droppable)} on, if that was deployed by ${moment(now)}, no cookie of an older key is alive; later by as much as the deployment is. Then drop all keys but the first.`,
    );
  }
}

async function inFile(
  { cwd }: Environment,
  file: string,
  variable: string,
  key: string,
  step: "front" | "end" | "promote",
): Promise<{ readonly keys: number; readonly changed: boolean }> {
  const path = resolve(cwd, file);
  if (await isTracked(path)) {
    throw new Stop(
      EXIT.failed,
      `${file} is tracked by git: no key is written there, as every copy of the repository would have it.`,
    );
  }
  return changeKeyList(path, variable, (keys) => {
    if (step === "front") return [key, ...keys];
    const newest = newestOf(keys);
    if (step === "end") return newest > 0 ? keys : [...keys, key];
    const promoted = keys[newest];
    if (promoted === undefined) {
      throw new Stop(
        EXIT.failed,
        `No key of ${variable} in ${file} says when it was made, as those of psession keys rotate --at-end do: put the one that is to sign in front by hand.`,
      );
    }
    return [promoted, ...keys.filter((other) => other !== promoted)];
  });
}
