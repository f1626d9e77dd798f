import { toDevice } from "../account/devices.ts";
import { deviceLabel } from "../http/user-agent.ts";
import { endOf } from "../protocol/rows.ts";
import { isTrust } from "../stores/devices.ts";
import type { ListedEntry, RowLevel, StoreAdmin, UserEntry, UserId } from "../stores/store.ts";

const PAGE = 500;

/** Everything that is in a store, page by page. */
export async function* entriesOf(admin: StoreAdmin): AsyncGenerator<UserEntry> {
  let after: string | undefined;
  do {
    const { entries, next } = await admin.browse({ limit: PAGE, after });
    yield* entries;
    after = next;
  } while (after !== undefined);
}

/** What is shown of a session or a device: nothing of it is a credential, and no session data. */
export interface Shown {
  readonly handle: string;
  readonly userId: UserId | undefined;
  readonly level: RowLevel;
  readonly label: string;
  /** What its user calls it, and what it was signed in as. */
  readonly name: string | undefined;
  readonly tag: string | undefined;
  readonly isRemembered: boolean;
  readonly address: string | undefined;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly expiresAt: number;
}

export function shownSession({ session, login }: ListedEntry): Shown | undefined {
  if (session === undefined) return undefined;
  const { id, userId, level, userAgent, name, tag, address, createdAt, lastSeenAt } = session;
  return {
    handle: id,
    userId,
    level,
    label: deviceLabel(userAgent),
    name,
    tag,
    isRemembered: login !== undefined,
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
  const { handle, label, name, tag, isRemembered, address, firstSeenAt, lastSeenAt, expiresAt } = device;
  const createdAt = firstSeenAt;
  // Nobody is signed in by it, so it is named as what it is.
  const level = isTrust(entry) ? "trust" : device.level;
  return { handle, userId, level, label, name, tag, isRemembered, address, createdAt, lastSeenAt, expiresAt };
}
