import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Command, Option } from "commander";
import * as v from "valibot";
import { parseDuration } from "../checks/duration.ts";
import { checkedOptions } from "../checks/faults.ts";
import { PsessionError, reasonOf } from "../errors.ts";
import { AUDIT_KEEP } from "../options/audited.ts";
import type { PsessionOptions } from "../options/public.ts";
import { isStore } from "../options/store.ts";
import { type Clock, systemClock } from "../protocol/clock.ts";
import { realmCode } from "../protocol/secrets.ts";
import { coreOf, createPsession, Psession } from "../psession.ts";
import type { AuditSink } from "../stores/audit.ts";
import { loadingForCommand, makingForCommand } from "../stores/command.ts";
import { realmStore } from "../stores/realm.ts";
import type { Store, StoreAdmin } from "../stores/store.ts";
import type { Environment } from "./environment.ts";
import { EXIT, Stop } from "./exit.ts";

export const CONFIG_NAMES = [
  "psession.config.js",
  "psession.config.mjs",
  "psession.config.ts",
  "psession.config.mts",
];

export const POLICIES = ["aal1", "aal2", "aal3"] as const;

/** What `psession doctor` cannot see by itself: the named export `deployment` of a configuration. */
export interface Deployment {
  /** This is the configuration that serves users. */
  readonly production?: boolean | undefined;
  /** Address of a page that uses its session, as visitors have it. */
  readonly url?: string | undefined;
  /** A proxy stands before the application, and the integration trusts it. */
  readonly trustProxy?: boolean | undefined;
  /** Level of NIST SP 800-63B-4 that lifetimes are to keep to. */
  readonly policy?: (typeof POLICIES)[number] | undefined;
}

const deploymentSchema = v.strictObject({
  production: v.optional(v.boolean("must be true or false")),
  url: v.optional(
    v.pipe(v.string("must be text"), v.url("must be an address, such as https://example.com/")),
  ),
  trustProxy: v.optional(v.boolean("must be true or false")),
  policy: v.optional(v.picklist(POLICIES, 'must be "aal1", "aal2" or "aal3"')),
});

export interface Config {
  readonly file: string;
  /** What `createPsession` takes, not checked yet; undefined where the file exports a service. */
  readonly options: PsessionOptions | undefined;
  readonly store: Store;
  readonly clock: Clock;
  readonly isSystemClock: boolean;
  /** What the ids of its rows end with. */
  readonly realm: string;
  /** The option `privacy.keepAddresses`, in milliseconds; undefined where it is not set. */
  readonly keepAddresses: number | undefined;
  /** Where audit entries go, and how long they are kept, in milliseconds. */
  readonly audit: { readonly sink: AuditSink; readonly keep: number } | undefined;
  readonly deployment: Deployment;
  /** The service. Throws `invalid_options` with everything that is wrong. */
  service(): Psession<object>;
}

export interface ConfigFlags {
  readonly config?: string;
  readonly env?: string | undefined;
}

/** @internal */
export function takesConfig(command: Command): Command {
  return command
    .addOption(new Option("--config <file>", "the configuration (default: psession.config.js, .mjs or .ts)"))
    .addOption(new Option("--env <file>", "set environment variables from this file first"));
}

/** Loads the configuration, does something with it, and releases what it opened. */
export async function withConfig<T>(
  environment: Environment,
  flags: ConfigFlags,
  work: (config: Config) => Promise<T>,
): Promise<T> {
  readVariables(environment, flags.env);
  const config = await loadConfig(fileOf(environment, flags.config));
  try {
    return await work(config);
  } finally {
    await config.store.close?.();
  }
}

/** Variables that are set already stay, as with `node --env-file`. */
function readVariables({ cwd }: Environment, file: string | undefined): void {
  if (file === undefined) return;
  try {
    process.loadEnvFile(resolve(cwd, file));
  } catch (error) {
    throw new Stop(EXIT.failed, `${file} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

export function fileOf({ cwd }: Environment, given: string | undefined): string {
  const names = given === undefined ? CONFIG_NAMES : [given];
  const file = names.map((name) => resolve(cwd, name)).find((path) => existsSync(path));
  if (file !== undefined) return file;
  throw new Stop(
    EXIT.failed,
    given === undefined
      ? `There is no psession.config.js in ${cwd}: psession init writes one, and --config names another.`
      : `There is no file ${given}.`,
  );
}

export async function loadConfig(file: string): Promise<Config> {
  const exported = await imported(file);
  const given: unknown = await defaultOf(file, exported);
  const deployment = checkedOptions(`${file}: deployment`, deploymentSchema, exported["deployment"] ?? {});
  if (given instanceof Psession) {
    const { store, clock, isSystemClock, audit, realm, privacy } = coreOf(given).settings;
    const { keepAddresses } = privacy;
    const settings = { store, clock, isSystemClock, audit, realm, keepAddresses };
    return { file, options: undefined, ...settings, deployment, service: () => given };
  }
  if (typeof given !== "object" || given === null) throw wrong(file, "has no default export");
  if (typeof (given as { exchange?: unknown }).exchange === "function") {
    throw wrong(
      file,
      "exports a service of another copy of psession than this; run the one of the application",
    );
  }
  const options = given as PsessionOptions;
  const { store, clock } = options;
  if (!isStore(store)) throw wrong(file, "exports no store");
  const { sink = store.audit, keep: kept = AUDIT_KEEP } = options.audit ?? {};
  const keep = parseDuration(kept);
  const realm = realmCode(typeof options.realm === "string" ? options.realm : "");
  const { keepAddresses = false } = options.privacy ?? {};
  return {
    file,
    options,
    audit: sink === undefined || keep === undefined ? undefined : { sink, keep },
    // As the service sees it, so that a command shows what it can end. Faults of the options are reported elsewhere.
    store: realmStore(store, realm),
    realm,
    keepAddresses: keepAddresses === false ? undefined : parseDuration(keepAddresses),
    clock: typeof clock?.now === "function" ? clock : systemClock,
    isSystemClock: typeof clock?.now !== "function",
    deployment,
    // The application prunes; a command does only if it is `prune`.
    service: () => makingForCommand(() => createPsession<object>({ ...options, prune: false })),
  };
}

/** The options of a function or a service, which an application asks for at its first use only. */
async function defaultOf(file: string, { default: exported }: Record<string, unknown>): Promise<unknown> {
  return loadingForCommand(async () => {
    try {
      if (exported instanceof Psession) coreOf(exported);
      return typeof exported === "function" ? exported() : exported;
    } catch (error) {
      if (error instanceof PsessionError) throw error;
      throw new Stop(EXIT.failed, `${file} gave no options: ${reasonOf(error)}`, { cause: error });
    }
  });
}

async function imported(file: string): Promise<Record<string, unknown>> {
  try {
    return await loadingForCommand<Record<string, unknown>>(() => import(pathToFileURL(file).href));
  } catch (error) {
    const isUnreadable = (error as { code?: unknown } | null)?.code === "ERR_UNKNOWN_FILE_EXTENSION";
    const reason = isUnreadable
      ? `Node ${process.versions.node} reads no TypeScript; 22.18 does, and so it does from a .mjs file`
      : reasonOf(error);
    throw new Stop(EXIT.failed, `${file} could not be loaded: ${reason}`, { cause: error });
  }
}

const wrong = (file: string, what: string): Stop =>
  new Stop(
    EXIT.failed,
    `${file} ${what}. It must say: export default { store, keys, … }, with what createPsession takes, a function that returns it, or export default createPsession({ … }).`,
  );

/** What a store needs for commands that look at everything. */
export function adminOf({ store }: Config): StoreAdmin {
  if (store.admin !== undefined) return store.admin;
  throw new Stop(
    EXIT.failed,
    `The store "${store.name}" offers no way to look through all of it (Store.admin), which this command needs.`,
  );
}
