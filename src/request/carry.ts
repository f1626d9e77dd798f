import { forget, isThenable } from "../checks/given.ts";
import type { DataRecord } from "../data/codec.ts";
import { PsessionError } from "../errors.ts";
import { isDevice } from "../stores/devices.ts";
import type { UserId } from "../stores/store.ts";
import { idOf } from "./standing.ts";
import type { RequestState } from "./state.ts";

/** The part of the data that is kept: everything, nothing, or some keys. */
export type Keep<Data> = "all" | "none" | readonly (keyof Data & string)[];

/** The part of the present data that a sign-in keeps; or the data that the function returns. */
export type Carry<Data> =
  | Keep<Data>
  | ((present: Partial<Data>, previous: Partial<Data> | undefined) => Partial<Data>);

/** The user's latest other session, if it was read before the sign-in. */
export interface PreviousSession {
  /** Its row's id; needed where data is encrypted. */
  readonly id?: string | undefined;
  /** Encoded, as the store keeps it. */
  readonly data: string;
}

/** Text has no keys, and a wrong key would be ignored: the data it was to keep would be lost. */
export function assertKeep(what: string, keep: unknown): void {
  const isList = Array.isArray(keep) && keep.every((key) => typeof key === "string");
  if (keep === "all" || keep === "none" || isList) return;
  throw new PsessionError("invalid_options", `${what} must be "all", "none" or a list of keys.`);
}

export function keepOf<Data>({ data }: RequestState, keep: Keep<Data>): void {
  if (keep === "all") return;
  const kept = (keep === "none" ? [] : keep).filter((key) => Object.hasOwn(data.value, key));
  data.replace(Object.fromEntries(kept.map((key) => [key, data.value[key]])));
}

/** What a sign-in keeps of the data; `given` is the user's latest other session, where that was read already. */
export async function carryOver<Data>(
  state: RequestState,
  userId: UserId,
  carry: Carry<Data>,
  given: PreviousSession | null | undefined,
): Promise<void> {
  if (typeof carry !== "function") return keepOf(state, carry);
  const { data } = state;
  const previous =
    given === undefined ? await previousOf(state, userId) : givenPrevious(state, userId, given);
  const merged: unknown = carry(data.value as Partial<Data>, previous as Partial<Data> | undefined);
  if (typeof merged !== "object" || merged === null || isThenable(merged) || Symbol.iterator in merged) {
    forget(merged);
    throw new PsessionError("invalid_data", "carry takes a function that returns the data to keep, at once.");
  }
  data.replace(merged as DataRecord);
}

async function previousOf(state: RequestState, userId: UserId): Promise<DataRecord | undefined> {
  const { store } = state.core.settings;
  const others = (await store.list(userId))
    .filter(isDevice)
    .flatMap(({ session }) => (session === undefined || session.id === idOf(state) ? [] : session));
  const latest = others.sort((a, b) => b.lastSeenAt - a.lastSeenAt)[0];
  if (latest === undefined) return undefined;
  try {
    // Lists have no data. A row that another user has signed in on since then is not used.
    const row = await store.findSession(latest.id);
    return row?.userId === userId ? readable(state, userId, () => row.data) : undefined;
  } catch (error) {
    const isUnreadable =
      error instanceof PsessionError && (error.code === "data_unreadable" || error.code === "store_misread");
    if (!isUnreadable) throw error;
    return unreadable(state, userId);
  }
}

function givenPrevious(
  state: RequestState,
  userId: UserId,
  previous: PreviousSession | null,
): DataRecord | undefined {
  if (previous === null) return undefined;
  const { id = "", data } = previous;
  const { encryption } = state.core.settings;
  return readable(state, userId, () =>
    encryption === undefined ? data : encryption.decrypt(data, { id, userId }),
  );
}

/** A user whose other session is damaged must still be able to sign in. */
function readable(state: RequestState, userId: UserId, text: () => string): DataRecord | undefined {
  try {
    return state.data.decode(text());
  } catch {
    return unreadable(state, userId);
  }
}

function unreadable({ core }: RequestState, userId: UserId): undefined {
  core.events.emit("previousUnreadable", { at: core.settings.clock.now(), userId });
}
