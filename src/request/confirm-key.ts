import { PsessionError } from "../errors.ts";
import { isConfirmedRecord, readBound, readRecord, writeBound, writeRecord } from "../protocol/bound.ts";
import type { SessionRow, Store } from "../stores/store.ts";
import { writeToLatest } from "./latest.ts";
import { sawRow } from "./standing.ts";
import { type RequestState, sessionOf } from "./state.ts";

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
    const written = await writeToLatest(store, row, (current) =>
      isOpen(current, id) ? { bound } : undefined,
    );
    // Where others have written meanwhile, the request stands on what it read.
    if (written?.version === row.version + 1) sawRow(state, written);
  } catch (error) {
    // The next request notes it; this one may have nothing to store.
    if (!(error instanceof PsessionError && error.code === "store_unavailable")) throw error;
    events.emit("storeUnavailable", { at: clock.now(), error });
  }
}

async function confirmRecord(store: Store, id: string): Promise<void> {
  await writeToLatest(store, await store.findSession(id), ({ level, data }) => {
    const record = level === "binding" ? readRecord(data) : undefined;
    const isOpen = record !== undefined && !isConfirmedRecord(record);
    return isOpen ? { data: writeRecord({ ...record, isConfirmed: true }) } : undefined;
  });
}
