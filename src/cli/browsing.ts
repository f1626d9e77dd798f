import { shownLevel, toDevice } from "../account/devices.ts";
import { deviceLabel } from "../http/user-agent.ts";
import { boundNow } from "../protocol/bound.ts";
import { endOf } from "../protocol/rows.ts";
import { isBinding, isTrust } from "../stores/devices.ts";
import type { Level, ListedEntry, RowLevel, StoreAdmin, UserEntry, UserId } from "../stores/store.ts";

const PAGE = 500;

/** Everything that is in a store, page by page; without the records of keys, which are no sessions and nobody's. */
export async function* entriesOf(admin: StoreAdmin): AsyncGenerator<UserEntry> {
  let after: string | undefined;
  do {
    const { entries, next } = await admin.browse({ limit: PAGE, after });
    for (const entry of entries) if (!isBinding(entry)) yield entry;
    after = next;
  } while (after !== undefined);
}

/** As lists name them. */
export type ShownLevel = Level | RowLevel;

/** What is shown of a session or a device: nothing of it is a credential, and no session data. */
export interface Shown {
  readonly handle: string;
  readonly userId: UserId | undefined;
  readonly level: ShownLevel;
  readonly label: string;
  /** What its user calls it, and what it was signed in as. */
  readonly name: string | undefined;
  readonly tag: string | undefined;
  readonly isRemembered: boolean;
  /** Since when it is bound to a key of its browser; undefined where it is not. */
  readonly boundSince: number | undefined;
  readonly address: string | undefined;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly expiresAt: number;
}

export function shownSession({ session, login }: ListedEntry): Shown | undefined {
  if (session === undefined) return undefined;
  const { id, userId, userAgent, name, tag, address, createdAt, lastSeenAt } = session;
  return {
    handle: id,
    userId,
    level: shownLevel(session),
    label: deviceLabel(userAgent),
    name,
    tag,
    isRemembered: login !== undefined,
    boundSince: boundNow(session.bound)?.at,
    address,
    createdAt,
    lastSeenAt,
    expiresAt: endOf(session),
  };
}

export function shownDevice(entry: ListedEntry, now: number): Shown | undefined {
  const userId = entry.login?.userId ?? entry.session?.userId;
  if (userId === undefined) return undefined;
  const device = toDevice(entry, { now });
  const { firstSeenAt: createdAt, ...rest } = device;
  const { handle, label, name, tag, isRemembered, boundSince, address, lastSeenAt, expiresAt } = rest;
  // Nobody is signed in by trust, so it is named as what it is.
  const level: ShownLevel = isTrust(entry) ? "trust" : device.level;
  const shown = { handle, userId, level, label, name, tag, isRemembered, boundSince, address };
  return { ...shown, createdAt, lastSeenAt, expiresAt };
}
