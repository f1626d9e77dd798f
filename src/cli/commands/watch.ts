import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { AuditEntry, AuditTrail } from "../../stores/audit.ts";
import { entriesOf, type Shown, shownDevice, shownSession } from "../browsing.ts";
import { adminOf, type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import type { Environment } from "../environment.ts";
import { EXIT, Stop } from "../exit.ts";
import { hint, jsonOf, moment, printable, styled } from "../output.ts";
import { milliseconds } from "../values.ts";

interface Flags extends ConfigFlags {
  readonly every: number;
  readonly rows?: true;
  readonly json?: true;
}

/** Each poll reads all rows: more would load the database too much. */
const MOST = 10_000;
/** Entries are written a little after their time, and clocks of servers differ: so much is read again at each poll. */
const OVERLAP = 30_000;
const PAGE = 1000;

/** @internal */
export function addWatch(program: Command, environment: Environment): void {
  takesConfig(program.command("watch"))
    .summary("print events as they happen")
    .description(
      "Prints the entries of the audit trail as they come: sign-ins, returns, thefts, and revocations with their reasons. Without a trail it polls the rows, and prints the changes since the previous poll: new, used, changed (another user or level), expired, ended. Ends with Ctrl-C.",
    )
    .option("--every <duration>", "time between two polls", milliseconds, 2000)
    .option("--rows", "poll the rows, although there is an audit trail")
    .option("--json", "one JSON object a line")
    .action((flags: Flags) => withConfig(environment, flags, (config) => watch(environment, config, flags)));
}

async function watch(environment: Environment, config: Config, flags: Flags): Promise<void> {
  const trail = flags.rows ? undefined : config.store.audit;
  if (trail === undefined) await watchRows(environment, config, flags);
  else await watchTrail(environment, config, trail, flags);
}

async function watchTrail(
  environment: Environment,
  { clock }: Config,
  trail: AuditTrail,
  { every, json }: Flags,
): Promise<void> {
  let seen = new Set((await latest(trail, clock.now() - OVERLAP)).map(({ id }) => id));
  hint(environment, "Watching the audit trail. Ctrl-C ends it.");
  while (await isTime(every, environment.interrupted)) {
    const entries = await latest(trail, clock.now() - every - OVERLAP);
    for (const entry of entries.filter(({ id }) => !seen.has(id)).reverse())
      environment.stdout.write(`${json ? jsonOf(entry) : entryLine(environment, entry)}\n`);
    seen = new Set(entries.map(({ id }) => id));
  }
}

/** Everything from that moment on, the newest first. */
async function latest(trail: AuditTrail, since: number): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  while (true) {
    const page = await trail.read({ since, before: entries.at(-1)?.id, limit: PAGE });
    entries.push(...page);
    if (page.length < PAGE) return entries;
  }
}

const ALARMING: ReadonlySet<string> = new Set(["theft", "generationAhead", "moved", "newDevice"]);

function entryLine(
  { stdout }: Environment,
  { at, event, userId, handle, address, detail }: AuditEntry,
): string {
  const user = userId === undefined ? "nobody" : `user ${userId}`;
  const parts = [user, handle ?? "-", address ?? "-", detail ?? ""].map(printable);
  const name = styled(stdout, ALARMING.has(event) ? "red" : "cyan", printable(event).padEnd(17));
  return `${moment(at)}  ${name}  ${parts.join("  ").trimEnd()}`;
}

type Change = "new" | "used" | "changed" | "expired" | "ended";
type Seen = ReadonlyMap<string, Shown>;

async function watchRows(environment: Environment, config: Config, { every, json }: Flags): Promise<void> {
  const { interrupted } = environment;
  let before = await look(config);
  hint(environment, `Watching ${before.size} sessions and logins. Ctrl-C ends it.`);
  while (await isTime(every, interrupted)) {
    const after = await look(config);
    const now = config.clock.now();
    for (const [change, shown] of changesBetween(before, after, now)) {
      environment.stdout.write(
        `${json ? asJson(change, shown, now) : asLine(environment, change, shown, now)}\n`,
      );
    }
    before = after;
  }
}

async function isTime(every: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(every, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}

async function look(config: Config): Promise<Seen> {
  const now = config.clock.now();
  const seen = new Map<string, Shown>();
  for await (const entry of entriesOf(adminOf(config))) {
    if (seen.size >= MOST) {
      throw new Stop(
        EXIT.failed,
        `There are more than ${MOST} sessions and logins: too many to poll. Give the store an audit trail (its option audit: true), or listen to the events of the application (psession.on).`,
      );
    }
    const shown = shownDevice(entry, now) ?? shownSession(entry);
    if (shown !== undefined && shown.expiresAt >= now) seen.set(shown.handle, shown);
  }
  return seen;
}

function* changesBetween(before: Seen, after: Seen, now: number): Generator<readonly [Change, Shown]> {
  for (const [handle, shown] of before) {
    if (!after.has(handle)) yield [shown.expiresAt < now ? "expired" : "ended", shown];
  }
  for (const [handle, shown] of after) {
    const was = before.get(handle);
    if (was === undefined) yield ["new", shown];
    else if (was.level !== shown.level || was.userId !== shown.userId) yield ["changed", shown];
    else if (was.lastSeenAt < shown.lastSeenAt) yield ["used", shown];
  }
}

const asJson = (change: Change, shown: Shown, at: number): string => jsonOf({ change, at, ...shown });

const COLOURS = { new: "green", used: "dim", changed: "cyan", expired: "dim", ended: "yellow" } as const;

function asLine(
  { stdout }: Environment,
  change: Change,
  { handle, userId, level, address, label }: Shown,
  now: number,
): string {
  const user = userId === undefined ? "nobody" : `user ${userId}`;
  const parts = [handle, user, level, address ?? "-", label].map(printable);
  return `${moment(now)}  ${styled(stdout, COLOURS[change], change.padEnd(8))}  ${parts.join("  ")}`;
}
