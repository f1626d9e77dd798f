import { PsessionError } from "../errors.ts";
import { isConfirmedRecord, readBound, readRecord, writeBound, writeRecord } from "../protocol/bound.ts";
import type { SessionRow, Store } from "../stores/store.ts";
import { updated } from "./plan/parts.ts";
import { sawRow } from "./standing.ts";
import { type RequestState, sessionOf } from "./state.ts";

/** More than a few writers at once are no race of one browser. */
const MOST_ATTEMPTS = 16;

/** The session's row, where its browser shows the short cookie for the first time, and stays on it. */
export function unconfirmedIn({ bound, intent, standing }: RequestState): SessionRow | undefined {
  if (bound?.provedAt === undefined || bound.isConfirmed) return undefined;
  if (intent.kind === "login" || intent.kind === "logout") return undefined;
  const row = sessionOf(standing);
  return row !== undefined && isOpen(row, bound.id) ? row : undefined;
}

function isOpen(row: SessionRow, id: string): boolean {
  const kept = readBound(row.bound);
  return kept !== undefined && kept.id === id && !kept.isConfirmed;
}

/**
 * Notes that the browser has its short cookie: from here on the session counts with its key only. Once for each key, with
 * whatever this request does. First in the key's record, which is asked where the session's row is lost.
 */
export async function confirmKey(state: RequestState, row: SessionRow): Promise<void> {
  const { settings, events } = state.core;
  const { store, clock } = settings;
  const id = readBound(row.bound)?.id ?? "";
  const bound = writeBound({ id, at: clock.now(), isConfirmed: true });
  try {
    if (row.rememberedId !== undefined) await confirmRecord(store, id);
    let current: SessionRow | undefined = row;
    for (let attempt = 0; attempt < MOST_ATTEMPTS && current !== undefined; attempt++) {
      if (!isOpen(current, id)) return;
      const update = { id: row.id, version: current.version, owner: current.userId, set: { bound } };
      const { done } = await store.apply({ kind: "save", update });
      if (done && current === row) sawRow(state, updated(row, update));
      if (done) return;
      current = await store.findSession(row.id);
    }
  } catch (error) {
    // The next request notes it; this one may have nothing to store.
    if (!(error instanceof PsessionError && error.code === "store_unavailable")) throw error;
    events.emit("storeUnavailable", { at: clock.now(), error });
  }
}

async function confirmRecord(store: Store, id: string): Promise<void> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const row = await store.findSession(id);
    if (row?.level !== "binding") return;
    const record = readRecord(row.data);
    if (isConfirmedRecord(record)) return;
    const set = { data: writeRecord({ ...record, isConfirmed: true }) };
    const update = { id, version: row.version, owner: undefined, set };
    if ((await store.apply({ kind: "save", update })).done) return;
  }
}
