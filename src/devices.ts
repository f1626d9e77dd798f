import Bowser from "bowser";
import { tombstoneUntil } from "./request/rows.ts";
import type { Core } from "./request/state.ts";
import { deadlineOf, lastUse } from "./stores/devices.ts";
import type { EndSelector, Level, RevocationReason, UserEntry, UserId } from "./stores/store.ts";

/** What a user sees in the list of places where they are signed in. Holds no secret. */
export interface Device {
  /** What `revoke` takes. */
  readonly handle: string;
  /** Such as "Chrome on Windows". */
  readonly label: string;
  readonly level: Level;
  /** The browser comes back by itself after it was closed. */
  readonly isRemembered: boolean;
  /** The device that asks. */
  readonly current: boolean;
  readonly userAgent: string | undefined;
  readonly address: string | undefined;
  /** Times are epoch milliseconds. */
  readonly authenticatedAt: number | undefined;
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
  const entries = await core.settings.store.list(userId);
  return entries
    .map((entry) => toDevice(entry, now, current))
    .filter((device) => device.expiresAt >= now)
    .sort((a, b) => b.lastSeenAt - a.lastSeenAt);
}

/** Ends devices and tells of each; says how many there were. */
export async function endDevices(
  core: Core,
  whom: Pick<EndSelector, "handle" | "userId" | "except">,
  reason: RevocationReason,
): Promise<number> {
  const { settings, events } = core;
  const at = settings.clock.now();
  const ended = await settings.store.end({ ...whom, reason, at, pruneAfter: tombstoneUntil(at, settings) });
  for (const { rememberedId, sessionId, userId } of ended) {
    events.emit("revoked", { at, userId, handle: rememberedId ?? sessionId ?? "", reason });
  }
  return ended.length;
}

/** Ends everything that everybody has, anonymous sessions too; says how many devices there were. */
export async function endEverything({ settings, events }: Core, reason: RevocationReason): Promise<number> {
  const at = settings.clock.now();
  const pruneAfter = tombstoneUntil(at, settings);
  const { length: count } = await settings.store.end({ everyone: true, reason, at, pruneAfter });
  events.emit("revokedEveryone", { at, count, reason });
  return count;
}

/** @internal */
export function toDevice(
  entry: UserEntry,
  now: number,
  current?: { readonly id: string; readonly handle: string } | undefined,
): Device {
  const { session, login } = entry;
  const isSessionLive =
    session !== undefined && Math.min(session.idleDeadline, session.absoluteDeadline) >= now;
  const handle = login?.id ?? session?.id ?? "";
  return {
    handle,
    label: deviceLabel(session?.userAgent),
    level: isSessionLive ? session.level : "remembered",
    isRemembered: login !== undefined,
    current: current !== undefined && (handle === current.handle || session?.id === current.id),
    userAgent: session?.userAgent,
    address: session?.address,
    authenticatedAt: session?.authenticatedAt ?? login?.createdAt,
    lastSeenAt: lastUse(entry),
    expiresAt: deadlineOf(entry),
  };
}

/** A name for a browser that its owner recognises. A label, never a reason to refuse: browsers update themselves. */
export function deviceLabel(userAgent: string | undefined): string {
  if (userAgent === undefined || userAgent === "") return "Unknown browser";
  const { browser, os } = Bowser.parse(userAgent);
  if (browser.name === undefined || browser.name === "") return os.name ?? "Unknown browser";
  return os.name === undefined ? browser.name : `${browser.name} on ${os.name}`;
}
