import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { UserIdKind } from "../../stores/store.ts";
import { CONFIG_NAMES } from "../config.ts";
import { assertAgreed, isInteractive } from "../confirm.ts";
import type { Environment } from "../environment.ts";
import { EXIT, Stop } from "../exit.ts";
import { isTracked } from "../git.ts";
import { applicationFor } from "../init/app.ts";
import { configFor } from "../init/config.ts";
import { addVariables, keepOutOfGit, missingFrom, type Variable, variablesFor } from "../init/env.ts";
import { FRAMEWORKS } from "../init/frameworks/index.ts";
import { isModuleFolder } from "../init/module.ts";
import { packagesFor } from "../init/packages.ts";
import { agreed, chosen } from "../init/questions.ts";
import { type Result, stepsOf, summary } from "../init/steps.ts";
import { STORES, type StoreName, USER_IDS } from "../init/stores.ts";
import { TSCONFIG } from "../init/tsconfig.ts";
import { manifest } from "../manifest.ts";
import { say, sayJson } from "../output.ts";

interface Flags {
  readonly store?: StoreName;
  readonly framework?: string;
  readonly userIds?: UserIdKind;
  readonly typescript?: boolean;
  readonly app?: string;
  /** False with `--no-env`. */
  readonly env: boolean;
  readonly yes?: true;
  readonly force?: true;
  readonly json?: true;
}

const ENV = ".env";

/** @internal */
export function addInit(program: Command, environment: Environment): void {
  const frameworks = offeredFrameworks();
  program
    .command("init")
    .summary("write a configuration and an application that runs")
    .description(
      "Writes psession.config.js, which the application imports and every command here reads, an application with sign-in, devices and sign-out that runs as it is, and a .env with a new key; then says what to type. Nothing that is there is replaced without asking.",
    )
    .addOption(new Option("--store <name>", "where sessions are kept").choices(Object.keys(STORES)))
    .addOption(new Option("--framework <name>", "what the application is made with").choices(frameworks))
    .addOption(
      new Option(
        "--user-ids <kind>",
        "what your user ids are, in a SQL store: its tables are made for that",
      ).choices(Object.keys(USER_IDS)),
    )
    .option("--typescript", "write TypeScript (default: where there is a tsconfig.json)")
    .option("--no-typescript", "write JavaScript")
    .option("--app <file>", "name of the application's file (default: app.js, or with the ending that fits)")
    .option("--no-env", "write no .env, and so no key")
    .option("--yes", "ask nothing: sqlite and express where nothing else is said, and a .env")
    .option("--force", "replace a configuration and an application that are there")
    .option("--json", "answer as JSON")
    .action((flags: Flags) => init(environment, frameworks, flags));
}

/** The subpaths of the package decide: nothing is offered that cannot be imported. */
function offeredFrameworks(): string[] {
  return Object.keys(FRAMEWORKS).filter((name) => `./${name}` in manifest.exports);
}

async function init(environment: Environment, frameworks: readonly string[], flags: Flags): Promise<void> {
  const { cwd } = environment;
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
  const hasTsconfig = existsSync(join(cwd, "tsconfig.json"));
  const typescript =
    flags.typescript ??
    (await agreed(
      environment,
      flags,
      "--typescript, --no-typescript",
      "Do you write TypeScript?",
      hasTsconfig,
    ));

  const ending = endingFor(cwd, typescript);
  const config = `psession.config.${ending}`;
  const app = fileOfApp(flags.app ?? `app.${ending}`, ending);
  await assertReplaceable(environment, flags, [config, app]);
  const env = await planEnv(environment, flags, store);

  const written = [config, app];
  const from = relative(dirname(resolve(cwd, app)), resolve(cwd, config)).replaceAll("\\", "/");
  const imported = from.startsWith(".") ? from : `./${from}`;
  const chose = { store, userIds, framework, typescript };
  write(cwd, config, configFor(chose), flags);
  write(cwd, app, applicationFor({ ...chose, file: app, config: imported }), flags);
  if (typescript && !hasTsconfig) {
    write(cwd, "tsconfig.json", TSCONFIG, flags);
    written.push("tsconfig.json");
  }
  if (env.toAdd.length > 0) {
    if (!existsSync(join(cwd, ENV))) written.push(ENV);
    addVariables(join(cwd, ENV), env.toAdd);
  }
  const ignored = env.isRead ? await keepOutOfGit(cwd, secretFiles(store)) : [];

  const result: Result = {
    ...chose,
    cwd,
    app,
    written,
    ignored,
    hadTsconfig: hasTsconfig,
    env: env.isRead ? { file: ENV, added: env.toAdd } : undefined,
    isTracked: env.isTracked,
    variables: variablesFor(store),
    ...packagesFor(chose),
  };
  if (flags.json !== true) return say(environment, summary(result));
  const changed = new Set([
    ...written,
    ...(env.toAdd.length > 0 ? [ENV] : []),
    ...(ignored.length > 0 ? [".gitignore"] : []),
  ]);
  sayJson(environment, {
    files: [...changed].map((name) => resolve(cwd, name)),
    store,
    userIds: userIds ?? null,
    framework,
    typescript,
    packages: result.needed,
    typePackages: result.forTypes,
    env: env.isRead ? join(cwd, ENV) : null,
    steps: stepsOf(result),
  });
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
    throw new Stop(EXIT.usage, `--user-ids ${flags.userIds} does not fit ${store}: ${instead}.`);
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

/** Node takes every .mjs and .mts file for an ES module; others by the package that they are in. */
const endingFor = (cwd: string, typescript: boolean): string =>
  `${isModuleFolder(cwd) ? "" : "m"}${typescript ? "ts" : "js"}`;

function fileOfApp(name: string, ending: string): string {
  const endings = [...new Set([ending, `m${ending.replace(/^m/, "")}`])];
  if (endings.some((one) => name.endsWith(`.${one}`))) return name;
  throw new Stop(EXIT.usage, `--app ${name} has to end in ${endings.map((one) => `.${one}`).join(" or ")}.`);
}

/** Before anything is written: all of it is, or nothing. */
async function assertReplaceable(
  environment: Environment,
  { yes, force }: Flags,
  files: readonly [config: string, app: string],
): Promise<void> {
  const isThere = (name: string) => existsSync(resolve(environment.cwd, name));
  const other = CONFIG_NAMES.find((name) => name !== files[0] && isThere(name));
  if (other !== undefined) {
    throw new Stop(
      EXIT.failed,
      `${other} is there already, and nothing was written: beside it, ${files[0]} would be one too many. Remove or rename it first.`,
    );
  }
  const there = files.filter(isThere);
  if (there.length === 0 || force === true) return;
  const [are, were, replaces] = there.length === 1 ? ["is", "was", "it"] : ["are", "were", "them"];
  const names = there.join(" and ");
  // --yes answers what has a default. Losing a file has none.
  if (yes === true || !isInteractive(environment)) {
    const instead = there.includes(files[1]) ? ", --app names another file for the application" : "";
    throw new Stop(
      EXIT.failed,
      `${names} ${are} there already, and ${were} left alone. --force replaces ${replaces}${instead}.`,
    );
  }
  await assertAgreed(environment, `${names} ${are} there already. Replace ${replaces}?`, false);
}

interface EnvPlan {
  /** The application and the commands are to be started with the file. */
  readonly isRead: boolean;
  readonly isTracked: boolean;
  readonly toAdd: readonly Variable[];
}

async function planEnv(environment: Environment, flags: Flags, store: StoreName): Promise<EnvPlan> {
  const file = join(environment.cwd, ENV);
  const none: EnvPlan = { isRead: false, isTracked: false, toAdd: [] };
  if (!flags.env) return none;
  const missing = missingFrom(file, variablesFor(store));
  if (missing.length === 0) return { ...none, isRead: true };
  // Every copy of the repository would have the key.
  if (await isTracked(file)) return { ...none, isTracked: true };
  const question = `Write ${missing.map(({ name }) => name).join(", ")} into ${ENV}, and keep that out of git?`;
  const isWanted = await agreed(environment, flags, "--no-env", question, true);
  return isWanted ? { isRead: true, isTracked: false, toAdd: missing } : none;
}

function secretFiles(store: StoreName): { name: string; pattern: string }[] {
  const { files } = STORES[store];
  const names = [ENV, ...(files === undefined ? [] : [files])];
  return names.map((pattern) => ({ name: pattern.replace("*", ""), pattern }));
}

/** Not even a file that appeared meanwhile is lost. */
function write(cwd: string, name: string, text: string, { force }: Flags): void {
  const file = resolve(cwd, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { flag: force === true || existsSync(file) ? "w" : "wx" });
}
