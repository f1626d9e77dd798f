import { isFaithful, isHandle } from "../checks/given.ts";
import { PsessionError } from "../errors.ts";
import type { RequestOrigin } from "../events.ts";
import { deviceLabel } from "../http/user-agent.ts";
import { boundNow } from "../protocol/bound.ts";
import { methodsOf, readProofs } from "../protocol/proofs.ts";
import { endOf } from "../protocol/rows.ts";
import { endTrust } from "../request/end-trust.ts";
import { entryInForce } from "../request/limits.ts";
import { tombstoneUntil } from "../request/rows.ts";
import type { Core } from "../request/state.ts";
import { nameDevice as nameInStore, revoke } from "../stores/changes.ts";
import { deadlineOf, isActedIn, isTrust, lastUse, tagOfDevice } from "../stores/devices.ts";
import type {
  Ended,
  EndSelector,
  Level,
  ListedEntry,
  ListedSession,
  Mark,
  RevocationReason,
  RowLevel,
  UserId,
} from "../stores/store.ts";
import { placesOf } from "./places.ts";

/** One entry in the list of places where a user is signed in. Holds no secret. */
export interface Device {
  /** What `revoke` takes. */
  readonly handle: string;
  /** Such as "Chrome on Windows". */
  readonly label: string;
  /** What its user calls it (`session.nameDevice`). */
  readonly name: string | undefined;
  /** What it was signed in as (`session.login(userId, { tag })`). */
  readonly tag: string | undefined;
  readonly level: Level;
  /** Since when the session counts only with the key of this browser (option `deviceBound`); undefined where it is not bound. */
  readonly boundSince: number | undefined;
  /** How the user has signed in there, the latest first, as far as the application named it; none after a restore. */
  readonly methods: readonly string[];
  /** The browser comes back by itself after it was closed. */
  readonly isRemembered: boolean;
  /**
   * Until when the user trusts this browser (`session.trust`); undefined where that is not so. A browser that is trusted
   * while nobody is signed in on it is an entry of its own, of level "anonymous".
   */
  readonly trustedUntil: number | undefined;
  /** The device of the session at hand. */
  readonly current: boolean;
  readonly userAgent: string | undefined;
  readonly address: string | undefined;
  /** Where that address is, by the option `devices.place`. */
  readonly place: string | undefined;
  /** Times are epoch milliseconds. */
  readonly authenticatedAt: number | undefined;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly expiresAt: number;
}

/** Live devices, the latest first. */
export async function listDevices(
  core: Core,
  userId: UserId,
  current?: { readonly id: string; readonly handle: string },
): Promise<Device[]> {
  const now = core.settings.clock.now();
  const entries = (await core.settings.store.list(userId)).map((entry) => entryInForce(entry, core.settings));
  const live = entries
    .filter((entry) => deadlineOf(entry) >= now && !isActedIn(entry))
    .sort((a, b) => lastUse(b) - lastUse(a));
  const { place } = core.settings.devices;
  const addresses = live.flatMap(({ session }) => session?.address ?? []);
  const places = place === undefined ? NOWHERE : await placesOf(addresses, place);
  const trusts = new Map(live.filter(isTrust).map((entry) => [entry.session?.handle, entry]));
  const devices = live.filter((entry) => !isTrust(entry));
  const handles = new Set(devices.map(handleOfEntry));
  const alone = live.filter((entry) => isTrust(entry) && !handles.has(entry.session?.handle ?? ""));
  return [...devices, ...alone].map((entry) => {
    const trust = isTrust(entry) ? entry : trusts.get(handleOfEntry(entry));
    return toDevice(entry, { now, current, places, trustedUntil: trust && deadlineOf(trust) });
  });
}

/** What lists call a device: also after a renewal what they called it before. */
export const handleOfEntry = ({ session, login }: ListedEntry): string =>
  login?.handle ??
  login?.id ??
  (session === undefined || isTrust({ session, login }) ? undefined : session.handle) ??
  session?.id ??
  "";

const NOWHERE: ReadonlyMap<string, string> = new Map();

const LONGEST_NAME = 100;

/** Gives one of a user's devices a name, or takes it away; false where the user has no such device. */
export async function nameDevice(
  core: Core,
  device: { readonly handle: string; readonly userId: UserId },
  name: string | undefined,
): Promise<boolean> {
  const naming = { ...device, name: checkedName(name) };
  if (!isHandle("nameDevice", device.handle)) return false;
  const { store } = core.settings;
  if (await nameInStore(store, naming)) return true;
  const handle = await renewedOf(core, device);
  return handle !== undefined && nameInStore(store, { ...naming, handle });
}

/** Where no row has this id: the row of the device that lists call so, as its login was renewed. */
async function renewedOf(
  { settings: { store } }: Core,
  { handle, userId }: { readonly handle: string; readonly userId?: UserId | undefined },
): Promise<string | undefined> {
  // Without a user, the record of the first login says whose it was.
  const whose = userId ?? (await store.findRemembered(handle))?.login.userId;
  if (whose === undefined) return undefined;
  const entries = await store.list(whose);
  const entry = entries.find((one) => !isTrust(one) && handleOfEntry(one) === handle);
  return entry?.login?.id ?? entry?.session?.id;
}

/** As the store keeps it: trimmed; undefined for none. */
function checkedName(name: unknown): string | undefined {
  const trimmed = typeof name === "string" ? name.trim() : name;
  if (trimmed === undefined || trimmed === "") return undefined;
  const isName =
    typeof trimmed === "string" &&
    [...trimmed].length <= LONGEST_NAME &&
    isFaithful(trimmed) &&
    !/[\p{Zl}\p{Zp}]/u.test(trimmed);
  if (isName) return trimmed;
  throw new PsessionError(
    "invalid_name",
    `A device's name is text of at most ${LONGEST_NAME} characters, without line breaks and other control characters.`,
    { status: 400 },
  );
}

/** Ends one device by its handle, and the trust in its browser. False where there was none. */
export async function endDevice(
  core: Core,
  whom: { readonly handle: string; readonly userId?: UserId | undefined },
  reason: RevocationReason,
  request?: RequestOrigin,
): Promise<boolean> {
  let ended = await revokeSome(core, whom, reason, { request });
  if (ended.length === 0) {
    const handle = await renewedOf(core, whom);
    if (handle !== undefined) ended = await revokeSome(core, { ...whom, handle }, reason, { request });
  }
  const userId = ended.find((device) => device.userId !== undefined)?.userId;
  // A device may also be named by the id of its session, and its login have been renewed.
  const handles = [whom.handle, ...ended.flatMap(({ rememberedId, handle }) => [rememberedId, handle])];
  if (userId !== undefined) await endTrust(core, userId, reason, handles, request);
  return ended.length > 0;
}

interface Circumstances {
  /** The record of a trust that is given anew afterwards, which is no device that has ended. */
  readonly kept?: string | undefined;
  /** The user's request that ends them. */
  readonly request?: RequestOrigin | undefined;
}

/** Ends devices and emits `revoked` for each; returns how many there were. No record of trust counts as one. */
export async function endDevices(
  core: Core,
  whom: Pick<EndSelector, "handle" | "userId" | "except" | "mark">,
  reason: RevocationReason,
  circumstances: Circumstances = {},
): Promise<number> {
  return countOf(await revokeSome(core, whom, reason, circumstances));
}

const countOf = (ended: readonly Ended[]): number => ended.filter(({ isRecord }) => isRecord !== true).length;

async function revokeSome(
  core: Core,
  whom: Pick<EndSelector, "handle" | "userId" | "except" | "mark">,
  reason: RevocationReason,
  { kept, request }: Circumstances,
): Promise<readonly Ended[]> {
  const { settings, events } = core;
  const at = settings.clock.now();
  const pruneAfter = tombstoneUntil(at, settings);
  const all = await revoke(settings.store, { ...whom, reason, at, pruneAfter });
  const ended = all.filter(({ sessionId }) => sessionId !== kept || kept === undefined);
  for (const { rememberedId, sessionId, userId, handle, isRecord } of ended) {
    const named = isRecord ? undefined : handle;
    events.emit("revoked", { at, userId, handle: named ?? rememberedId ?? sessionId ?? "", reason, request });
  }
  return ended;
}

/**
 * Ends all users' sessions and logins, anonymous sessions too; with `lastUsedBefore`, only those last used before that.
 * Returns how many devices there were.
 */
export async function endEverything(
  { settings, events }: Core,
  reason: RevocationReason,
  mark: Mark | undefined,
  lastUsedBefore?: number,
): Promise<number> {
  const at = settings.clock.now();
  const pruneAfter = tombstoneUntil(at, settings);
  const whom = { everyone: true, lastUsedBefore, mark };
  const count = countOf(await revoke(settings.store, { ...whom, reason, at, pruneAfter }));
  events.emit("revokedEveryone", { at, count, reason });
  return count;
}

interface Context {
  readonly now: number;
  readonly current?: { readonly id: string; readonly handle: string } | undefined;
  readonly places?: ReadonlyMap<string, string>;
  readonly trustedUntil?: number | undefined;
}

/** What lists say of a session's level, or of a record's. */
export const shownLevel = ({ level, bound }: Pick<ListedSession, "level" | "bound">): Level | RowLevel =>
  level === "login" && boundNow(bound) !== undefined ? "device-bound" : level;

/** @internal */
export function toDevice(
  entry: ListedEntry,
  { now, current, places = NOWHERE, trustedUntil }: Context,
): Device {
  const { session, login } = entry;
  const isSessionLive = session !== undefined && endOf(session) >= now;
  const handle = handleOfEntry(entry);
  const level = isSessionLive ? shownLevel(session) : "remembered";
  return {
    handle,
    label: deviceLabel(session?.userAgent),
    name: session === undefined ? login?.name : session.name,
    tag: tagOfDevice(entry),
    level: level === "trust" || level === "binding" ? "anonymous" : level,
    boundSince: boundNow(session?.bound)?.at,
    methods: isSessionLive ? methodsOf(readProofs(session.proofs)) : [],
    isRemembered: login !== undefined,
    trustedUntil,
    current: current !== undefined && (handle === current.handle || session?.id === current.id),
    userAgent: session?.userAgent,
    address: session?.address,
    place: session?.address === undefined ? undefined : places.get(session.address),
    authenticatedAt: session?.authenticatedAt ?? login?.createdAt,
    // A session's row is older than a sign-in on it; a login is older than a session row that was lost and made anew.
    firstSeenAt: Math.min(session?.createdAt ?? now, login?.createdAt ?? now),
    lastSeenAt: lastUse(entry),
    expiresAt: deadlineOf(entry),
  };
}
