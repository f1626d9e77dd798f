import { type Command, Option } from "commander";
import type { ListedEntry } from "../../stores/store.ts";
import { entriesOf, type Shown, type ShownLevel, shownDevice, shownSession } from "../browsing.ts";
import { adminOf, type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import type { Environment } from "../environment.ts";
import { hint, moment, plural, say, sayJson, table } from "../output.ts";
import { milliseconds, userIdOf, wholeNumber } from "../values.ts";

interface Flags extends ConfigFlags {
  readonly user?: string;
  readonly text?: true;
  readonly level?: ShownLevel;
  readonly seenWithin?: number;
  readonly address?: string;
  readonly expired?: true;
  readonly limit: number;
  readonly json?: true;
}

const LEVELS = ["anonymous", "remembered", "login", "device-bound", "trust"] satisfies ShownLevel[];

/** @internal */
export function addSessions(program: Command, environment: Environment): void {
  addList(program, environment, {
    name: "sessions",
    summary: "list sessions, anonymous ones included",
    description: "Lists sessions. revoke takes a handle, which is safe to show.",
    shown: shownSession,
  });
}

/** @internal */
export function addDevices(program: Command, environment: Environment): void {
  addList(program, environment, {
    name: "devices",
    summary: "list where users are signed in",
    description:
      "Lists where users are signed in: live sessions, and remembered logins with or without one; and, of level trust, the browsers that they trust. revoke takes a handle, which is safe to show.",
    shown: shownDevice,
  });
}

interface List {
  readonly name: "sessions" | "devices";
  readonly summary: string;
  readonly description: string;
  shown(entry: ListedEntry, now: number): Shown | undefined;
}

function addList(program: Command, environment: Environment, list: List): void {
  takesConfig(program.command(list.name))
    .summary(list.summary)
    .description(list.description)
    .option("--user <id>", "of this user")
    .option("--text", "the user's id is text, though it looks like a number")
    .addOption(new Option("--level <level>", "of this level").choices(LEVELS))
    .option("--seen-within <duration>", 'used within the last "15m", "12h", "30d"', milliseconds)
    .option("--address <address>", "last used from this address")
    .option("--expired", "also what is past its deadline and not pruned yet")
    .option("--limit <count>", "the most to list", wholeNumber(1, 1_000_000), 50)
    .option("--json", "answer as JSON")
    .action((flags: Flags) =>
      withConfig(environment, flags, (config) => listMatching(environment, config, list, flags)),
    );
}

async function listMatching(
  environment: Environment,
  config: Config,
  list: List,
  flags: Flags,
): Promise<void> {
  const now = config.clock.now();
  const { limit, json } = flags;
  const { user, text } = flags;
  const userId = user === undefined ? undefined : userIdOf(user, config.store.userIds, text);
  const entries = userId === undefined ? entriesOf(adminOf(config)) : await config.store.list(userId);
  const found: Shown[] = [];
  let hasMore = false;
  for await (const entry of entries) {
    const shown = list.shown(entry, now);
    if (shown === undefined || !isMatching(shown, flags, now)) continue;
    hasMore = found.length >= limit;
    if (hasMore) break;
    found.push(shown);
  }
  if (json) return sayJson(environment, { [list.name]: found, more: hasMore });
  say(environment, shownTable(environment, found));
  const trusted = found.filter(({ level }) => level === "trust").length;
  const listed = plural(found.length - trusted, list.name === "sessions" ? "session" : "device");
  const count = trusted === 0 ? listed : `${listed}, ${plural(trusted, "trusted browser")}`;
  hint(environment, hasMore ? `${count}; there are more: --limit, --user, --seen-within` : count);
}

function isMatching(
  { level, lastSeenAt, address, expiresAt }: Shown,
  wanted: Pick<Flags, "level" | "seenWithin" | "address" | "expired">,
  now: number,
): boolean {
  if (wanted.expired !== true && expiresAt < now) return false;
  if (wanted.level !== undefined && level !== wanted.level) return false;
  if (wanted.seenWithin !== undefined && lastSeenAt < now - wanted.seenWithin) return false;
  return wanted.address === undefined || address === wanted.address;
}

const HEAD = ["handle", "user", "level", "last used", "ends", "address", "browser"];

export function shownTable(environment: Environment, found: readonly Shown[]): string {
  const rows = found.map(
    ({ handle, userId, level, lastSeenAt, expiresAt, address, label, name, isRemembered }) => [
      handle,
      userId === undefined ? "-" : String(userId),
      isRemembered && level !== "remembered" ? `${level}, remembered` : level,
      moment(lastSeenAt),
      moment(expiresAt),
      address ?? "-",
      name === undefined ? label : `${name} (${label})`,
    ],
  );
  return table(environment, HEAD, rows);
}
