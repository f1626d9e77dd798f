import asciichart from "asciichart";
import type { Command } from "commander";
import { boundNow } from "../../protocol/bound.ts";
import { endOf } from "../../protocol/rows.ts";
import { deadlineOf, isActedIn, isTrust } from "../../stores/devices.ts";
import type { StoreReport } from "../../stores/store.ts";
import { entriesOf } from "../browsing.ts";
import { adminOf, type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import type { Environment } from "../environment.ts";
import { hint, moment, plural, say, sayJson, size, table } from "../output.ts";
import { showProgress } from "../progress.ts";

interface Flags extends ConfigFlags {
  readonly json?: true;
}

const HOUR = 3_600_000;
const HOURS = 24;
/** The days whose audit entries are counted. */
const DAYS = 30;
/** Shown in any case, as their absence says something. */
const ALWAYS = ["theft", "recovered"];

/** @internal */
export function addStats(program: Command, environment: Environment): void {
  takesConfig(program.command("stats"))
    .summary("show sizes and activity")
    .description(
      "Shows the tables' sizes, how many sessions and logins are alive, in which hours sessions were last used, and what the audit trail counted: thefts, recoveries and the rest.",
    )
    .option("--json", "answer as JSON")
    .action((flags: Flags) => withConfig(environment, flags, (config) => stats(environment, config, flags)));
}

interface Counts {
  /**
   * Sessions of users, anonymous ones, logins without a live session, browsers that users trust, and rows that wait to be
   * pruned. `bound`: those of `signedIn` that are bound to a key of their browser.
   */
  signedIn: number;
  bound: number;
  anonymous: number;
  away: number;
  trusted: number;
  expired: number;
  users: number;
  /** Sessions by the hour of their last use, the oldest hour first. */
  readonly hours: number[];
}

async function stats(environment: Environment, config: Config, { json }: Flags): Promise<void> {
  const now = config.clock.now();
  const admin = adminOf(config);
  const progress = showProgress(environment, { message: "Counting", isQuiet: json });
  const report = await admin.inspect();
  const counts = await countAll(config, now);
  const since = now - DAYS * 24 * HOUR;
  const events = await config.store.audit?.count(since);
  progress.done("Counted.");
  const { version, tables, prunedAt } = report;
  if (json) {
    const { hours, ...rest } = counts;
    const lastUsed = hours.map((sessions, at) => ({ from: now - (HOURS - at) * HOUR, sessions }));
    const counted = events === undefined ? null : { since, counts: withZeros(events) };
    const all = { version, tables, prunedAt: prunedAt ?? null, ...rest, lastUsed, events: counted };
    return sayJson(environment, all);
  }
  sayTables(environment, report);
  say(
    environment,
    `\n${plural(counts.signedIn, "session")} of ${plural(counts.users, "user")}, ${boundIn(counts)}${counts.anonymous.toLocaleString("en")} anonymous; ` +
      `${plural(counts.away, "remembered login")} without a session; ` +
      (counts.trusted === 0 ? "" : `${plural(counts.trusted, "trusted browser")}; `) +
      `${counts.expired.toLocaleString("en")} past their deadline.`,
  );
  say(environment, `\nSessions by the hour of their last use, UTC:\n${chart(counts.hours, now)}`);
  if (events !== undefined) return sayEvents(environment, events);
  hint(
    environment,
    "\nThefts and recoveries are counted where the store keeps an audit trail (its option audit: true).",
  );
}

/** Nothing where no session is bound: few applications have the option. */
function boundIn({ bound, signedIn }: Counts): string {
  if (bound === 0) return "";
  const share = Math.round((bound / signedIn) * 100);
  return `${bound.toLocaleString("en")} of them bound to a browser's key (${share} %), `;
}

const withZeros = (events: ReadonlyMap<string, number>): Record<string, number> => ({
  ...Object.fromEntries(ALWAYS.map((name) => [name, 0])),
  ...Object.fromEntries(events),
});

function sayEvents(environment: Environment, events: ReadonlyMap<string, number>): void {
  const rows = Object.entries(withZeros(events)).map(([name, count]) => [name, count.toLocaleString("en")]);
  say(environment, `\nEvents of the last ${DAYS} days, by the audit trail:\n`);
  say(environment, table(environment, ["event", "count"], rows));
}

function sayTables(environment: Environment, { version, tables, prunedAt }: StoreReport): void {
  const rows = tables.map(({ name, rows, bytes }) => [name, rows.toLocaleString("en"), size(bytes)]);
  say(environment, `${version}; last pruned: ${moment(prunedAt)}\n`);
  say(environment, table(environment, ["table", "rows", "size"], rows));
}

async function countAll(config: Config, now: number): Promise<Counts> {
  const hours = Array.from({ length: HOURS }, () => 0);
  const none = { signedIn: 0, bound: 0, anonymous: 0, away: 0, trusted: 0, expired: 0, users: 0 };
  const counts: Counts = { ...none, hours };
  const users = new Set<unknown>();
  for await (const entry of entriesOf(adminOf(config))) {
    const { session, login } = entry;
    if (isTrust(entry)) {
      if (deadlineOf(entry) < now) counts.expired++;
      else counts.trusted++;
      continue;
    }
    // The administrator is counted by the session of their own.
    if (isActedIn(entry) && deadlineOf(entry) >= now) continue;
    if (session !== undefined) {
      const ago = Math.max(0, Math.floor((now - session.lastSeenAt) / HOUR));
      const at = HOURS - 1 - ago;
      if (at >= 0) hours[at] = (hours[at] ?? 0) + 1;
    }
    const userId = login?.userId ?? session?.userId;
    const isSessionLive = session !== undefined && endOf(session) >= now;
    if (deadlineOf(entry) < now) counts.expired++;
    else if (!isSessionLive) counts.away++;
    else if (userId === undefined) counts.anonymous++;
    else {
      counts.signedIn++;
      if (boundNow(session.bound) !== undefined) counts.bound++;
    }
    if (userId !== undefined && deadlineOf(entry) >= now) users.add(userId);
  }
  return { ...counts, users: users.size };
}

/** Each hour is two columns wide. */
function chart(hours: readonly number[], now: number): string {
  const most = Math.max(...hours, 1);
  const width = Math.max(5, String(most).length);
  const series = hours.flatMap((value) => [value, value]);
  const height = Math.min(8, most);
  const drawn = asciichart.plot(series, {
    min: 0,
    max: most,
    height,
    format: (value) => String(Math.round(value)).padStart(width),
  });
  const hourOf = (at: number) => new Date(at).toISOString().slice(11, 13);
  const marks = Array.from({ length: HOURS / 4 }, (_, part) =>
    hourOf(now - (HOURS - 1 - part * 4) * HOUR).padEnd(8),
  );
  return `${drawn}\n${" ".repeat(width + 2)}${marks.join("").trimEnd()}`;
}
