import { type Command, InvalidArgumentError, Option } from "commander";
import type { Settings } from "../../options/settings.ts";
import {
  type Config,
  type ConfigFlags,
  fileOf,
  loadConfig,
  POLICIES,
  takesConfig,
  withConfig,
} from "../config.ts";
import { cookieFindings } from "../doctor/cookies.ts";
import { boundFindings, boundProbeFindings } from "../doctor/device-bound.ts";
import { type Finding, note, type Severity } from "../doctor/finding.ts";
import { keyFindings } from "../doctor/keys.ts";
import { lifetimeFindings } from "../doctor/lifetimes.ts";
import { probeFindings } from "../doctor/probe.ts";
import { rehearsalFindings } from "../doctor/rehearsal.ts";
import { runtimeFindings } from "../doctor/runtime.ts";
import { settingsOf } from "../doctor/settings.ts";
import { sharingFindings } from "../doctor/sharing.ts";
import { storeFindings } from "../doctor/store.ts";
import type { Environment } from "../environment.ts";
import { EXIT, Stop } from "../exit.ts";
import { plural, printable, say, sayJson, styled } from "../output.ts";

interface Flags extends ConfigFlags {
  readonly url?: string;
  readonly policy?: (typeof POLICIES)[number];
  readonly other: readonly string[];
  readonly bind?: true;
  readonly json?: true;
}

const EXAMPLES = `
Errors and warnings end with exit code 1, notes with 0.

Examples:
  $ psession doctor --env .env.production
  $ psession doctor --url https://example.com/account --policy aal2
  $ psession doctor --other ../admin/psession.config.js --json`;

/** @internal */
export function addDoctor(program: Command, environment: Environment): void {
  takesConfig(program.command("doctor"))
    .summary("check the configuration and the deployment")
    .description(
      "Checks keys, cookies, proxy, clocks, tables, lifetimes and pruning, and prints each problem with a remedy. Changes nothing, unless --bind is given.",
    )
    .option(
      "--url <address>",
      "a page that uses its session, as visitors reach it; doctor requests it",
      address,
    )
    .addOption(new Option("--policy <name>", "lifetimes of NIST SP 800-63B-4 to keep to").choices(POLICIES))
    .option(
      "--other <file>",
      "configuration of another application on the same host; may be repeated",
      (file: string, all: readonly string[]) => [...all, file],
      [] as readonly string[],
    )
    .option(
      "--bind",
      "with --url and deviceBound: sign a made-up user in for some seconds, and register a key as browsers do",
    )
    .option("--json", "answer as JSON")
    .addHelpText("after", EXAMPLES)
    .action((flags: Flags) =>
      withConfig(environment, flags, async (config) => {
        report(environment, await examine(environment, config, flags), flags);
      }),
    );
}

function address(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new InvalidArgumentError("It must be an address, such as https://example.com/.");
}

async function examine(environment: Environment, config: Config, flags: Flags): Promise<Finding[]> {
  const { deployment } = config;
  const url = flags.url ?? deployment.url;
  const policy = flags.policy ?? deployment.policy;
  const { settings, findings: ofOptions } = settingsOf(config);
  const findings = [
    ...runtimeFindings(deployment),
    ...ofOptions,
    ...(await keyFindings(config)),
    ...(settings === undefined ? [] : cookieFindings(settings, { ...deployment, url })),
    ...(settings === undefined ? [] : lifetimeFindings(settings, policy)),
    ...(settings === undefined ? [] : boundFindings(settings, url)),
    ...(await storeFindings(config, settings)),
  ];
  for (const name of flags.other) {
    const other = await loadConfig(fileOf(environment, name));
    findings.push(...sharingFindings(config, other));
    await other.store.close?.();
  }
  if (flags.bind && (url === undefined || settings?.deviceBound === undefined))
    throw new Stop(
      EXIT.usage,
      "--bind needs an address (--url) and the option deviceBound. Nothing was done.",
    );
  if (url !== undefined && settings !== undefined)
    findings.push(...(await outsideFindings(url, settings, flags.bind === true)));
  else if (deployment.trustProxy === true || deployment.production === true) {
    findings.push(
      note(
        "proxy_not_seen",
        "Whether the proxy is trusted, and no more than it should be, can only be seen from outside.",
        "Run doctor with --url and the address of a page that uses its session.",
      ),
    );
  }
  return findings;
}

/** What is seen at the application's address. */
async function outsideFindings(url: string, settings: Settings, isBinding: boolean): Promise<Finding[]> {
  const findings = await probeFindings(url, settings);
  const isServed = !findings.some(({ code }) => UNSERVED.has(code));
  if (!isServed || settings.deviceBound === undefined || !url.startsWith("https:")) return findings;
  findings.push(...(await boundProbeFindings(url, settings, isBinding)));
  if (isBinding && !findings.some(({ code }) => code === "binding_unreachable"))
    findings.push(...(await rehearsalFindings(url, settings)));
  // Where a proxy rewrites the cookie, both have seen it.
  return [...new Map(findings.map((one) => [`${one.code} ${one.message}`, one])).values()];
}

/** Then keys cannot be asked for either, and the first remedy is another one. */
const UNSERVED: ReadonlySet<string> = new Set(["url_unreachable", "url_failing", "proxy_untrusted"]);

const SEVERITIES: readonly Severity[] = ["error", "warning", "note"];
const COLOURS = { error: "red", warning: "yellow", note: "cyan" } as const;

function report(environment: Environment, found: readonly Finding[], { json }: Flags): void {
  const findings = SEVERITIES.flatMap((severity) => found.filter((one) => one.severity === severity));
  const count = (severity: Severity) => findings.filter((one) => one.severity === severity).length;
  const isWell = count("error") + count("warning") === 0;
  if (json) sayJson(environment, { ok: isWell, findings });
  else {
    for (const { code, severity, message, remedy } of findings) {
      const head = styled(environment.stdout, COLOURS[severity], severity);
      const paragraphs = [message, remedy ?? ""].flatMap((text) => text.split("\n"));
      const lines = paragraphs.filter((line) => line !== "").map((line) => `  ${printable(line)}`);
      say(environment, [`${head} ${code}`, ...lines, ""].join("\n"));
    }
    const counts = [
      plural(count("error"), "error"),
      plural(count("warning"), "warning"),
      plural(count("note"), "note"),
    ];
    say(
      environment,
      isWell ? `Nothing is wrong${findings.length > 0 ? `; ${counts[2]}` : ""}.` : `${counts.join(", ")}.`,
    );
  }
  if (!isWell) throw new Stop(EXIT.failed, "");
}
