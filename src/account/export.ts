import { FLASH } from "../data/flash.ts";
import { TEMP } from "../data/temp.ts";
import { TrackedData } from "../data/tracked-data.ts";
import { actingIn } from "../protocol/actor.ts";
import { boundNow } from "../protocol/bound.ts";
import { pendingOf } from "../protocol/pending.ts";
import { type ProvedMethod, readProofs } from "../protocol/proofs.ts";
import { endOf, isSession } from "../protocol/rows.ts";
import { sessionInForce } from "../request/limits.ts";
import { handleOf, handleOfLogin } from "../request/rows.ts";
import type { Core } from "../request/state.ts";
import type { RememberedRow, SessionRow, UserId } from "../stores/store.ts";

/** All that psession keeps about a user: `psession.exportUser`. Times are text of ISO 8601, in UTC. */
export interface UserExport {
  /** Of this format: it grows by fields, and gets the next number where one changes its meaning. */
  readonly version: 1;
  readonly exportedAt: string;
  readonly userId: UserId;
  /** Where the user is signed in. */
  readonly sessions: readonly ExportedSession[];
  /** Browsers that may come back without signing in, and what is left of those that have ended. */
  readonly rememberedLogins: readonly ExportedLogin[];
  /** Browsers that the user trusts. */
  readonly trustedBrowsers: readonly ExportedTrust[];
  /** Sign-ins that have begun, and wait for another factor. Without the session's data: nobody is signed in there. */
  readonly pendingSignIns: readonly ExportedPending[];
  /** Sessions in which somebody acts as the user, or the user as somebody else: without their data. */
  readonly impersonations: readonly ExportedImpersonation[];
  /** The user's entries of the audit trail, the newest first; undefined where the store keeps none. */
  readonly audit: readonly ExportedEntry[] | undefined;
  /** What else there may be, in words. */
  readonly notes: readonly string[];
}

interface Place {
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
}

/** A session, by the handle that lists of devices have for it. */
export interface ExportedSession extends Place {
  readonly handle: string;
  readonly name: string | undefined;
  readonly tag: string | undefined;
  readonly level: string;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  readonly authenticatedAt: string | undefined;
  /** Since when the session is bound to a key of its browser; undefined where it is not. */
  readonly boundAt: string | undefined;
  readonly endsAt: string;
  /** Lives of this sign-in in milliseconds, where it has some of its own. */
  readonly idleFor: number | undefined;
  readonly absoluteFor: number | undefined;
  readonly proofs: readonly { readonly method: string; readonly at: string }[];
  /** `session.data`; undefined where it cannot be read any more. */
  readonly data: unknown;
  readonly messages: unknown;
  readonly temporary: unknown;
}

/** A remembered login. */
export interface ExportedLogin {
  readonly handle: string;
  readonly name: string | undefined;
  readonly tag: string | undefined;
  readonly createdAt: string;
  readonly lastUsedAt: string;
  readonly endsAt: string;
  readonly endedAt: string | undefined;
  readonly endedBecause: string | undefined;
}

/** Trust in a browser; `handle` is the device's. */
export interface ExportedTrust extends Place {
  readonly handle: string;
  readonly createdAt: string;
  readonly until: string;
}

/** A sign-in that waits. */
export interface ExportedPending extends Place {
  readonly lastSeenAt: string;
  readonly until: string | undefined;
  readonly proofs: readonly { readonly method: string; readonly at: string }[];
}

/** A session in which `actorId` acts as `userId`. */
export interface ExportedImpersonation {
  readonly userId: UserId | undefined;
  readonly actorId: UserId | undefined;
  readonly reason: string | undefined;
  readonly since: string;
  readonly until: string;
}

/** An entry of the audit trail. */
export interface ExportedEntry {
  readonly at: string;
  readonly event: string;
  readonly handle: string | undefined;
  readonly address: string | undefined;
  readonly detail: string | undefined;
}

const NOTES = [
  "For a short time after sign-ins were ended, a digest of the user's id is kept beside that time: sign-ins that were proved before it are refused.",
  "Where devices are counted at sign-ins, a lock has a digest of the user's id for its name, for up to a day.",
] as const;

/** Entries of one page. */
const PAGE = 1000;

export async function exportUser(core: Core, userId: UserId): Promise<UserExport> {
  const { settings } = core;
  const { sessions, logins } = await settings.store.rowsOf(userId);
  const own = sessions.filter((row) => row.userId === userId);
  const isActing = (row: SessionRow) => row.actorUserId !== undefined;
  const isSignedIn = (row: SessionRow) => !isActing(row) && isSession(row);
  return {
    version: 1,
    exportedAt: iso(settings.clock.now()),
    userId,
    sessions: own.filter(isSignedIn).map((row) => exportedSession(core, row)),
    rememberedLogins: logins.map(exportedLogin),
    trustedBrowsers: own.filter(({ level }) => level === "trust").map(exportedTrust),
    pendingSignIns: sessions.filter((row) => row.pendingUserId === userId).map(exportedPending),
    impersonations: sessions.filter(isActing).map(exportedImpersonation),
    audit: await entriesOf(core, userId),
    notes: NOTES,
  };
}

/** Whether there is nothing of the user: perhaps the id was given as the wrong type. */
export const isEmptyExport = ({ audit = [], ...rest }: UserExport): boolean =>
  [
    rest.sessions,
    rest.rememberedLogins,
    rest.trustedBrowsers,
    rest.pendingSignIns,
    rest.impersonations,
    audit,
  ].every((part) => part.length === 0);

function exportedSession({ settings }: Core, row: SessionRow): ExportedSession {
  const bound = boundNow(row.bound);
  return {
    handle: handleOf(row),
    name: row.name,
    tag: row.tag,
    level: row.level,
    createdAt: iso(row.createdAt),
    lastSeenAt: iso(row.lastSeenAt),
    authenticatedAt: row.authenticatedAt === undefined ? undefined : iso(row.authenticatedAt),
    boundAt: bound && iso(bound.at),
    endsAt: iso(endOf(sessionInForce(row, settings))),
    idleFor: row.idleFor,
    absoluteFor: row.absoluteFor,
    proofs: proofsOf(readProofs(row.proofs)),
    ...placeOf(row),
    ...contentOf(row, settings),
  };
}

/** What the application has stored, without psession's own secrets beside it. */
function contentOf(
  { data: encoded }: SessionRow,
  { codec, session }: Core["settings"],
): Pick<ExportedSession, "data" | "messages" | "temporary"> {
  try {
    const data = new TrackedData(codec, session.maxBytes, encoded);
    const under = (prefix: string) =>
      Object.fromEntries(
        Object.entries(data.asides).flatMap(([key, entry]) =>
          key.startsWith(prefix) ? [[key.slice(prefix.length), (entry as { value: unknown }).value]] : [],
        ),
      );
    return {
      data: plain(data.value),
      messages: plain(under(FLASH)),
      temporary: plain(under(TEMP)),
    };
  } catch {
    return { data: undefined, messages: undefined, temporary: undefined };
  }
}

/** Values of codecs that know more than JSON does, as JSON has them. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value, asJson));

function asJson(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Map) return [...value];
  if (value instanceof Set) return [...value];
  if (ArrayBuffer.isView(value)) return [...Buffer.from(value.buffer, value.byteOffset, value.byteLength)];
  return value;
}

const exportedLogin = (row: RememberedRow): ExportedLogin => ({
  handle: handleOfLogin(row),
  name: row.name,
  tag: row.tag,
  createdAt: iso(row.createdAt),
  lastUsedAt: iso(row.lastUsedAt),
  endsAt: iso(endOf(row)),
  endedAt: row.revokedAt === undefined ? undefined : iso(row.revokedAt),
  endedBecause: row.revokedReason,
});

const exportedTrust = (row: SessionRow): ExportedTrust => ({
  handle: handleOf(row),
  createdAt: iso(row.createdAt),
  until: iso(row.absoluteDeadline),
  ...placeOf(row),
});

function exportedPending(row: SessionRow): ExportedPending {
  const pending = pendingOf(row, 0);
  return {
    lastSeenAt: iso(row.lastSeenAt),
    until: pending && iso(pending.until),
    proofs: proofsOf(pending?.proofs ?? []),
    ...placeOf(row),
  };
}

function exportedImpersonation(row: SessionRow): ExportedImpersonation {
  const { userId, actorUserId: actorId, createdAt, absoluteDeadline } = row;
  const reason = actingIn(row)?.reason;
  return { userId, actorId, reason, since: iso(createdAt), until: iso(absoluteDeadline) };
}

async function entriesOf({ settings }: Core, userId: UserId): Promise<ExportedEntry[] | undefined> {
  const trail = settings.store.audit;
  if (trail === undefined) return undefined;
  const entries: ExportedEntry[] = [];
  let before: string | undefined;
  do {
    const page = await trail.read({ userId, before, limit: PAGE });
    for (const { at, event, handle, address, detail } of page)
      entries.push({ at: iso(at), event, handle, address, detail });
    before = page.length < PAGE ? undefined : page.at(-1)?.id;
  } while (before !== undefined);
  return entries;
}

const placeOf = ({ address, userAgent }: SessionRow): Place => ({ address, userAgent });

const proofsOf = (proofs: readonly ProvedMethod[]) =>
  proofs.map(({ method, at }) => ({ method, at: iso(at) }));

/** Of a damaged row it is the nearest moment that there is. */
const iso = (at: number): string => new Date(Math.max(-8.64e15, Math.min(8.64e15, at))).toISOString();
