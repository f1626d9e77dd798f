import * as v from "valibot";
import { checkedOptions, invalidOptions } from "../checks/faults.ts";
import { isId, isText, LONGEST_WORD, textOf } from "../checks/given.ts";
import { actingIn } from "../protocol/actor.ts";
import { endOf } from "../protocol/rows.ts";
import { entryInForce } from "../request/limits.ts";
import { handleOf, handleOfLogin } from "../request/rows.ts";
import type { Core } from "../request/state.ts";
import type { AuditEntry, AuditTrail } from "../stores/audit.ts";
import { deadlineOf, isActedIn, isTrust, lastUse } from "../stores/devices.ts";
import type { ListedEntry, RememberedRow, SessionRow, UserId } from "../stores/store.ts";
import { LONGEST_PAGE } from "./audit.ts";
import { handleOfEntry } from "./devices.ts";
import * as says from "./why-texts.ts";

/** What became of a sign-in. */
export type WhyCode =
  /** It has not ended. */
  | "signed_in"
  /** There is none: an anonymous session, a trusted browser, or one in which an administrator acts as the user. */
  | "not_signed_in"
  /** The user signed out there, or ended it from another device. */
  | "signed_out"
  | "ended_by_user"
  /** The application or an administrator ended it, or everyone's at once. */
  | "revoked"
  | "revoked_everyone"
  | "credential_changed"
  | "theft"
  /** A sign-in elsewhere was one more than `devices.max` allows, or had the same tag. */
  | "limit"
  | "tag"
  /** The same browser signed in anew, or another user did on it. */
  | "replaced"
  /** It was not used for too long, or was as old as a sign-in may be; `deadline` where it is not known which. */
  | "idle"
  | "lifetime"
  | "deadline"
  /** The store lost writes, or was split. */
  | "stale"
  | "forked"
  | "unknown";

/** Why a user is not signed in on a device any more, or that they are. */
export interface Why {
  readonly code: WhyCode;
  /** When, in epoch milliseconds; undefined where it is not known. */
  readonly at: number | undefined;
  /** A sentence in English, for developers and support. Not for visitors: it says of a theft that it was one. */
  readonly text: string;
  /** False where it is inferred from what is missing, rather than recorded. */
  readonly isRecorded: boolean;
  /** The device; undefined in remarks about all of them. */
  readonly handle: string | undefined;
  readonly userId: UserId | undefined;
  /** The reason or factor that the application gave. */
  readonly reason: string | undefined;
  /** The address that the end came from, where a request was behind it. */
  readonly address: string | undefined;
}

/** Whose sign-ins, or which one. With a handle or session, the user's id saves a search. */
export interface WhyQuery {
  readonly userId?: UserId | undefined;
  readonly handle?: string | undefined;
  readonly sessionId?: string | undefined;
  /** How many entries of the user's audit trail are read, the latest first. Default: 1000; at most 10,000. */
  readonly limit?: number | undefined;
}

const DEFAULT_LIMIT = 1000;

const aHandle = v.optional(
  v.custom<string>((value) => isText(value, LONGEST_WORD), `must be ${textOf(LONGEST_WORD)}`),
);
const querySchema = v.strictObject({
  // Checked against the store's kind of ids, where it is known.
  userId: v.optional(v.any()),
  handle: aHandle,
  sessionId: aHandle,
  limit: v.optional(
    v.pipe(
      v.number("must be a whole number"),
      v.integer("must be a whole number"),
      v.minValue(1, "must be at least 1"),
      v.maxValue(LONGEST_PAGE, `must be at most ${LONGEST_PAGE}`),
    ),
    DEFAULT_LIMIT,
  ),
});

type Checked = WhyQuery & { readonly limit: number };

/** Throws `invalid_options` with everything that is wrong. */
export function whyQuery(given: unknown): Checked {
  const query = checkedOptions("psession.why", querySchema, given);
  const { userId, handle, sessionId } = query;
  if (handle !== undefined && sessionId !== undefined)
    throw invalidOptions("psession.why", ["handle and sessionId name one device each: give one of them"]);
  if (userId === undefined && handle === undefined && sessionId === undefined)
    throw invalidOptions("psession.why", ["one of userId, handle and sessionId is missing"]);
  return query;
}

/** What is known around one user. */
interface Known {
  readonly core: Core;
  readonly now: number;
  readonly userId: UserId | undefined;
  /** The user's rows, by handle. */
  readonly rows: ReadonlyMap<string, ListedEntry>;
  /** The user's entries, by handle, the newest first. */
  readonly entries: ReadonlyMap<string, readonly AuditEntry[]>;
  readonly changes: readonly AuditEntry[];
  readonly thefts: readonly AuditEntry[];
  everyone(since: number): Promise<AuditEntry | undefined>;
}

/** A device that was asked for, as far as a row of its own is left. */
interface Located {
  readonly handle: string;
  readonly userId: UserId | undefined;
  readonly session?: SessionRow | undefined;
  readonly login?: RememberedRow | undefined;
  /** Of another user than the one who was asked about. */
  readonly isAnothers?: true;
}

/** The fate of each sign-in that was asked for: what lasts, then the latest ends, then remarks on what cannot be known. */
export async function why(core: Core, query: Checked): Promise<Why[]> {
  const { settings } = core;
  const { limit } = query;
  const trail = settings.store.audit;
  const located = await locate(core, query);
  const whose = query.userId ?? located?.userId ?? (await foundInTrail(trail, located?.handle));
  const rows =
    whose === undefined
      ? []
      : (await settings.store.list(whose)).map((entry) => entryInForce(entry, settings));
  const read = whose === undefined ? [] : ((await trail?.read({ userId: whose, limit })) ?? []);
  const known: Known = {
    core,
    now: settings.clock.now(),
    userId: whose,
    rows: new Map(rows.map((entry) => [handleOfEntry(entry), entry])),
    entries: Map.groupBy(
      read.filter(({ handle }) => handle !== undefined),
      ({ handle }) => handle ?? "",
    ),
    changes: read.filter(({ event }) => event === "credentialChanged"),
    thefts: read.filter(({ event }) => event === "theft"),
    everyone: everyoneIn(trail),
  };
  if (located !== undefined) return [await fateOf(known, located)];
  const fates: Why[] = [];
  for (const handle of handlesOf(known)) fates.push(await fateOf(known, { handle, userId: whose }));
  fates.sort((a, b) => placeOf(b) - placeOf(a) || (b.at ?? 0) - (a.at ?? 0));
  return [...fates, ...remarks(core, trail, read.length === limit ? limit : undefined, whose)];
}

/** What lasts stands first, and what ended nobody knows when stands last. */
const placeOf = ({ code, at }: Why): number => (code === "signed_in" ? 2 : at === undefined ? 0 : 1);

/** The row that the query names, by one read or two. */
async function locate({ settings: { store } }: Core, query: Checked): Promise<Located | undefined> {
  const { handle = query.sessionId, userId } = query;
  if (handle === undefined) return undefined;
  // No row has such an id: stores need not be asked.
  if (!isId(handle)) return { handle, userId };
  const session = await store.findSession(handle);
  // Another user's fate is none of this one's business.
  const isAnothers = (owner: UserId | undefined) =>
    userId !== undefined && owner !== undefined && owner !== userId;
  if (isAnothers(session?.userId ?? session?.pendingUserId)) return { handle, userId, isAnothers: true };
  // A session that is remembered is the device of its login.
  if (session !== undefined) return { handle: handleOf(session), userId: session.userId, session };
  const login = (await store.findRemembered(handle))?.login;
  if (isAnothers(login?.userId)) return { handle, userId, isAnothers: true };
  return {
    handle: login === undefined ? handle : handleOfLogin(login),
    userId: login?.userId ?? userId,
    login,
  };
}

/** Whose device that was, by the newest entries of all users: a trail is ordered by users, not by devices. */
async function foundInTrail(
  trail: AuditTrail | undefined,
  handle: string | undefined,
): Promise<UserId | undefined> {
  if (handle === undefined) return undefined;
  const newest = (await trail?.read({ limit: LONGEST_PAGE })) ?? [];
  return newest.find((entry) => entry.handle === handle && entry.userId !== undefined)?.userId;
}

/** The first end of all users' devices after a moment, among the newest entries: it is an entry of no user's. */
function everyoneIn(trail: AuditTrail | undefined): Known["everyone"] {
  let reading: Promise<readonly AuditEntry[]> | undefined;
  return async (since) => {
    reading ??= Promise.resolve(trail?.read({ limit: LONGEST_PAGE }) ?? []);
    return (await reading).findLast(({ event, at }) => event === "revokedEveryone" && at >= since);
  };
}

const BEGINNINGS: ReadonlySet<string> = new Set(["login", "reauthenticated", "restored", "recovered"]);
const ENDS: ReadonlySet<string> = new Set(["logout", "revoked", "theft", "generationAhead", "forked"]);

/** Sign-ins only: no record of trust, no session of an administrator, none that waits for a second factor. */
function handlesOf({ rows, entries }: Known): Set<string> {
  const listed = [...rows].filter(([, entry]) => !isTrust(entry) && !isActedIn(entry));
  const told = [...entries].filter(
    ([handle, all]) =>
      !rows.has(handle) &&
      all.some(({ event }) => BEGINNINGS.has(event) || ENDS.has(event)) &&
      !all.some(({ event }) => event === "impersonationBegan" || event === "impersonationEnded"),
  );
  return new Set([...listed, ...told].map(([handle]) => handle));
}

type Fate = Pick<Why, "code" | "text"> & Partial<Why>;

async function fateOf(known: Known, located: Located): Promise<Why> {
  const fate =
    byRows(known, located) ??
    byTrail(known, located) ??
    (await byTombstone(known, located)) ??
    (await byWhatIsMissing(known, located));
  const { handle } = located;
  const userId = located.session?.userId ?? known.userId;
  return { at: undefined, isRecorded: true, reason: undefined, address: undefined, ...fate, handle, userId };
}

/** A row that is left says itself whether it has ended. */
function byRows({ rows, now }: Known, { handle, session }: Located): Fate | undefined {
  const entry = rows.get(handle);
  if (session !== undefined) {
    if (session.level === "trust") return { code: "not_signed_in", text: says.TRUST, at: session.lastSeenAt };
    if (actingIn(session) !== undefined)
      return { code: "not_signed_in", text: says.ACTED, at: session.createdAt };
    if (session.userId === undefined)
      return { code: "not_signed_in", text: says.ANONYMOUS, at: session.lastSeenAt };
  }
  if (entry === undefined) return undefined;
  const end = deadlineOf(entry);
  if (end >= now) {
    const isSessionLive = entry.session !== undefined && endOf(entry.session) >= now;
    const text = isSessionLive ? says.signedIn(end) : says.remembered(end);
    return { code: "signed_in", text, at: lastUse(entry) };
  }
  const { session: ended, login } = entry;
  const last = login !== undefined && endOf(login) === end ? login : ended;
  const isIdle = last !== undefined && last.idleDeadline < last.absoluteDeadline;
  return {
    code: isIdle ? "idle" : "lifetime",
    text: says.ended(isIdle, last === login),
    at: end,
  };
}

/** The newest end in the trail that no sign-in followed. */
function byTrail({ entries, changes }: Known, { handle }: Located): Fate | undefined {
  const own = entries.get(handle) ?? [];
  const newest = own.find(({ event }) => BEGINNINGS.has(event) || ENDS.has(event));
  if (newest === undefined || BEGINNINGS.has(newest.event)) return undefined;
  const { event, at, address, detail } = newest;
  const isSignIn = own.some(({ event }) => BEGINNINGS.has(event));
  const recorded = { at, address };
  switch (event) {
    case "logout":
      return { ...recorded, code: "signed_out", text: says.SIGNED_OUT };
    case "theft":
      return { ...recorded, code: "theft", text: says.THEFT };
    case "revoked":
      return {
        ...recorded,
        ...byReason(detail ?? "revoked", { isByUser: address !== undefined, changed: factorOf(changes, at) }),
        ...(isSignIn ? {} : { text: `${byReason(detail ?? "revoked").text} ${says.MAYBE_TRUST}` }),
      };
    case "generationAhead":
      return { ...recorded, ...byReason("stale") };
    default:
      return { ...recorded, ...byReason("forked") };
  }
}

/** The change of a factor that ended devices at this moment: it is noted after them, by the same request. */
const factorOf = (changes: readonly AuditEntry[], at: number): string | undefined =>
  changes.findLast((entry) => entry.at >= at && entry.at <= at + 60_000)?.detail;

interface Circumstances {
  /** Undefined where that was not recorded. */
  readonly isByUser?: boolean;
  readonly changed?: string | undefined;
}

/** What a reason means that stands in the trail or on a tombstone. */
function byReason(reason: string, { isByUser, changed }: Circumstances = {}): Fate {
  switch (reason) {
    case "logout":
      return { code: "signed_out", text: says.SIGNED_OUT };
    case "replaced":
      return { code: "replaced", text: says.REPLACED };
    case "theft":
      return { code: "theft", text: says.THEFT };
    case "cap":
      return { code: "limit", text: says.LIMIT };
    case "tag":
      return { code: "tag", text: says.TAG };
    case "stale":
      return { code: "stale", text: says.STALE };
    case "forked":
      return { code: "forked", text: says.FORKED };
    case "password_changed":
      return { code: "credential_changed", text: says.changed(changed), reason: changed };
    case "revoked":
      if (isByUser === undefined) return { code: "revoked", text: says.ENDED_BY_ANYONE };
      return isByUser
        ? { code: "ended_by_user", text: says.ENDED_BY_USER }
        : { code: "revoked", text: says.revoked(undefined) };
    default:
      return { code: "revoked", text: says.revoked(reason), reason };
  }
}

/** The record that is kept of an ended login. */
async function byTombstone(
  { core, everyone }: Known,
  { handle, login: given, isAnothers }: Located,
): Promise<Fate | undefined> {
  if (!isId(handle) || isAnothers) return undefined;
  const login = given ?? (await core.settings.store.findRemembered(handle))?.login;
  if (login?.revokedAt === undefined) return undefined;
  const { revokedAt: at, revokedReason: reason = "revoked" } = login;
  // Noted once for everyone, with the time and reason of each.
  const all = await everyone(at);
  if (all?.at === at && all.detail === reason)
    return { code: "revoked_everyone", text: says.everyone(reason), reason, at };
  return { ...byReason(reason), at };
}

async function byWhatIsMissing(known: Known, { handle }: Located): Promise<Fate> {
  const { core, now, entries } = known;
  const { settings } = core;
  const newest = entries.get(handle)?.find(({ event }) => BEGINNINGS.has(event));
  const isRecorded = false;
  if (newest === undefined) {
    const text = settings.store.audit === undefined ? says.NOTHING_WITHOUT_TRAIL : says.NOTHING;
    return { code: "unknown", text, isRecorded };
  }
  // A session keeps its id whoever signs in on it, and with whatever remembered login.
  const row = await settings.store.findSession(handle);
  if (row !== undefined) return { code: "replaced", text: says.REPLACED, at: row.beganAt };
  const theft =
    settings.remember.onTheft === "user" ? known.thefts.findLast(({ at }) => at >= newest.at) : undefined;
  if (theft !== undefined) return { code: "theft", text: says.THEFT_OF_ANOTHER, at: theft.at, isRecorded };
  const all = await known.everyone(newest.at);
  if (all !== undefined) {
    const { at, detail: reason } = all;
    return { code: "revoked_everyone", text: says.everyone(reason), reason, at, isRecorded };
  }
  const isRemembered = newest.event !== "login" || newest.detail?.startsWith("remembered") === true;
  const { idle, absolute } = isRemembered ? settings.remember : settings.session;
  if (now <= newest.at + Math.min(idle, absolute))
    return { code: "unknown", text: says.GONE_EARLY, isRecorded };
  return { code: "deadline", text: says.deadline(newest.at + absolute), isRecorded };
}

/** What a list of a user's sign-ins may lack. */
function remarks(
  { settings }: Core,
  trail: AuditTrail | undefined,
  cutAt: number | undefined,
  userId: UserId | undefined,
): Why[] {
  const left = [...ENDS, "login"].filter(
    (name) => name !== "forked" && settings.audit?.events.some((event) => event === name) === false,
  );
  const texts = [
    ...(trail === undefined ? [says.NO_TRAIL] : []),
    ...(trail !== undefined && left.length > 0 ? [says.leftOut(left)] : []),
    ...(cutAt === undefined ? [] : [says.cut(cutAt)]),
  ];
  return texts.map((text) => ({
    code: "unknown",
    at: undefined,
    text,
    isRecorded: false,
    handle: undefined,
    userId,
    reason: undefined,
    address: undefined,
  }));
}
