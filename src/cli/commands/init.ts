import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isCancel, select } from "@clack/prompts";
import { type Command, Option } from "commander";
import type { UserIdKind } from "../../stores/store.ts";
import { assertAgreed, isInteractive } from "../confirm.ts";
import type { Environment } from "../environment.ts";
import { EXIT, Stop } from "../exit.ts";
import { manifest } from "../manifest.ts";
import { hint, say, sayJson } from "../output.ts";
import { applicationFor, configFor, FRAMEWORKS, STORES, type StoreName, USER_IDS } from "../templates.ts";

interface Flags {
  readonly store?: StoreName;
  readonly framework?: string;
  readonly userIds?: UserIdKind;
  readonly yes?: true;
  readonly force?: true;
  readonly json?: true;
}

/** @internal */
export function addInit(program: Command, environment: Environment): void {
  const frameworks = offeredFrameworks();
  program
    .command("init")
    .summary("write psession.config.js, and show the code to paste")
    .description(
      "Writes psession.config.js, which the application imports and every command here reads, and prints the code to paste. No secret is written.",
    )
    .addOption(new Option("--store <name>", "where sessions are kept").choices(Object.keys(STORES)))
    .addOption(new Option("--framework <name>", "what the application is made with").choices(frameworks))
    .addOption(
      new Option(
        "--user-ids <kind>",
        "what your user ids are, in a SQL store: its tables are made for that",
      ).choices(Object.keys(USER_IDS)),
    )
    .option("--yes", "ask nothing: sqlite and express where nothing else is said")
    .option("--force", "replace a configuration that is there")
    .option("--json", "answer as JSON")
    .action((flags: Flags) => init(environment, frameworks, flags));
}

/** The subpaths of the package decide: nothing is offered that cannot be imported. */
function offeredFrameworks(): string[] {
  return Object.keys(FRAMEWORKS).filter((name) => `./${name}` in manifest.exports);
}

async function init(environment: Environment, frameworks: readonly string[], flags: Flags): Promise<void> {
  const { cwd } = environment;
  const { yes, force, json } = flags;
  const store =
    flags.store ??
    (await chosen<StoreName>(environment, flags, "--store", "Where are sessions to be kept?", "sqlite", [
      ...Object.entries(STORES).map(([value, { label, hint }]) => ({ value, label, hint })),
    ]));
  const userIds = await userIdsFor(environment, flags, store);
  const framework =
    flags.framework ??
    (await chosen<string>(
      environment,
      flags,
      "--framework",
      "What is the application made with?",
      "express",
      frameworks.map((value) => ({ value, label: FRAMEWORKS[value]?.label ?? value })),
    ));
  const name = isModuleFolder(cwd) ? "psession.config.js" : "psession.config.mjs";
  const file = join(cwd, name);
  if (existsSync(file) && force !== true) {
    // --yes answers what has a default. Losing a file has none.
    if (yes === true || !isInteractive(environment)) {
      throw new Stop(EXIT.failed, `${name} is there already, and was left alone. --force replaces it.`);
    }
    await assertAgreed(environment, `${name} is there already. Replace it?`, false);
  }
  // Not even a file that appeared meanwhile is lost.
  writeFileSync(file, configFor(store, userIds), { flag: force === true || existsSync(file) ? "w" : "wx" });

  const code = applicationFor(framework, name);
  const packages = ["psession", ...STORES[store].packages, ...(FRAMEWORKS[framework]?.packages ?? [])];
  if (json) return sayJson(environment, { file, store, userIds: userIds ?? null, framework, packages, code });
  hint(environment, `Wrote ${name}. Paste this into your application:\n`);
  say(environment, code);
  hint(
    environment,
    [
      "Then:",
      `  npm install ${packages.join(" ")}`,
      // Made with the umask of most systems, everybody on the machine could read it.
      '  (umask 077; echo "SESSION_KEYS=$(npx psession keys generate)" >> .env)    # and keep .env out of git',
      "  npx psession migrate --env .env",
      "  npx psession doctor --env .env",
    ].join("\n"),
  );
}

/** Undefined where the store takes all kinds. Asked where the store was asked for: it has a default. */
async function userIdsFor(
  environment: Environment,
  flags: Flags,
  store: StoreName,
): Promise<UserIdKind | undefined> {
  const kinds = STORES[store].userIds;
  const [usual] = kinds;
  if (flags.userIds !== undefined) {
    if (usual !== undefined && kinds.includes(flags.userIds)) return flags.userIds;
    const instead = usual === undefined ? "leave it out" : kinds.join(", ");
    throw new Stop(EXIT.usage, `--user-ids ${flags.userIds} is nothing for ${store}: ${instead}.`);
  }
  if (usual === undefined || flags.store !== undefined || flags.yes === true) return usual;
  const options = kinds.map((value) => ({ value, ...USER_IDS[value] }));
  return chosen<UserIdKind>(
    environment,
    flags,
    "--user-ids",
    "What are the ids of your users?",
    usual,
    options,
  );
}

async function chosen<Value extends string>(
  environment: Environment,
  { yes }: Flags,
  flag: string,
  message: string,
  fallback: Value,
  options: readonly { readonly value: string; readonly label: string; readonly hint?: string }[],
): Promise<Value> {
  if (yes === true) return fallback;
  if (!isInteractive(environment)) {
    throw new Stop(EXIT.usage, `${message} There is no terminal to ask at: say ${flag}, or --yes.`);
  }
  const { stdin: input, stderr: output } = environment;
  const answer = await select<string>({
    message,
    initialValue: fallback as string,
    options: [...options],
    input,
    output,
  });
  if (isCancel(answer)) throw new Stop(EXIT.declined, "Nothing was written.");
  return answer as Value;
}

/** A .js file is an ES module where the nearest package.json says so. */
function isModuleFolder(folder: string): boolean {
  const file = join(folder, "package.json");
  if (existsSync(file)) {
    try {
      return (JSON.parse(readFileSync(file, "utf8")) as { type?: string }).type === "module";
    } catch {
      return false;
    }
  }
  const parent = dirname(folder);
  return parent !== folder && isModuleFolder(parent);
}
