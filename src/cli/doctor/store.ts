import { reasonOf } from "../../errors.ts";
import type { Settings } from "../../options/settings.ts";
import type { StoreReport } from "../../stores/store.ts";
import type { Config } from "../config.ts";
import { moment } from "../output.ts";
import { fileFindings } from "./files.ts";
import { error, type Finding, note, warning } from "./finding.ts";

const DAY = 86_400_000;
/** With the default tombstones, rows wait for a day at most; a cron job may be late by another. */
const PRUNED_WITHIN = 2 * DAY;

export async function storeFindings(config: Config, settings: Settings | undefined): Promise<Finding[]> {
  const { store, clock, deployment } = config;
  const findings: Finding[] = [];
  if (store.name === "memory") {
    const severity = deployment.production === true ? error : note;
    findings.push(
      severity(
        "store_memory",
        "Sessions are kept in memory: a restart signs all users out, and a second process knows none of the sessions.",
        "Use a database: psession/sqlite needs nothing installed.",
      ),
    );
  }
  if (store.admin === undefined) {
    return [
      ...findings,
      note("store_not_seen", `The store "${store.name}" cannot be inspected (Store.admin).`),
    ];
  }
  const before = clock.now();
  let report: StoreReport;
  try {
    report = await store.admin.inspect();
  } catch (fault) {
    return [
      ...findings,
      error(
        "store_unreachable",
        `The ${store.name} store cannot be asked: ${reasonOf(fault)}`,
        "Check the address, the credentials and that the server runs; --env sets environment variables.",
      ),
    ];
  }
  const after = clock.now();
  return [
    ...findings,
    ...clockFindings(report.now, before, after, settings?.times.skew ?? 5000),
    ...report.faults.map(({ code, message }) => error(code, message)),
    ...(await fileFindings(report.files ?? [])),
    // In Redis rows expire by themselves.
    ...(store.name === "redis" ? [] : pruneFindings(report, settings, after)),
  ];
}

function clockFindings(theirs: number, before: number, after: number, skew: number): Finding[] {
  // The database read its clock somewhere between the two.
  const ahead = theirs > after ? theirs - after : 0;
  const behind = theirs < before ? before - theirs : 0;
  const difference = Math.max(ahead, behind);
  if (difference <= skew) return [];
  const seconds = Math.round(difference / 1000).toLocaleString("en");
  return [
    error(
      "clock_skew",
      `The database's clock is ${seconds} s ${ahead > 0 ? "ahead of" : "behind"} this machine's. Where servers differ by more than ${skew / 1000} s, sessions made by one are refused by another, and honest browsers may look like thieves.`,
      "Let all machines take their time from NTP.",
    ),
  ];
}

function pruneFindings(
  { tables, prunedAt }: StoreReport,
  settings: Settings | undefined,
  now: number,
): Finding[] {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const isPruning = settings === undefined || settings.prune !== undefined;
  if (isPruning || rows === 0) return [];
  if (prunedAt !== undefined && now - prunedAt <= PRUNED_WITHIN) return [];
  const last = prunedAt === undefined ? "never was" : `was last done on ${moment(prunedAt)}`;
  return [
    warning(
      "nobody_prunes",
      `The option prune is false and pruning ${last}: rows past their deadline stay, and tables grow for ever.`,
      "Run `psession prune` at least daily, call psession.prune(), or leave the option out.",
    ),
  ];
}
