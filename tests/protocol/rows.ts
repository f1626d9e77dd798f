import { revoke } from "../../src/stores/changes.ts";
import type {
  Change,
  ChangeParts,
  EndSelector,
  Mark,
  RememberedRow,
  SessionRow,
  Store,
} from "../../src/stores/store.ts";
import type { Library } from "./library.ts";

/** The contents of the store, as data: a world is copied by copying these. */
export interface Rows {
  readonly sessions: ReadonlyMap<string, SessionRow>;
  readonly logins: ReadonlyMap<string, RememberedRow>;
  /** Every mark that was set, the oldest first. */
  readonly marks: readonly Mark[];
}

export const EMPTY: Rows = { sessions: new Map(), logins: new Map(), marks: [] };

export interface StoreCall {
  readonly name: string;
  readonly values: readonly unknown[];
}

const READS: ReadonlySet<string> = new Set(["findSession", "findRemembered"]);

/** What a call of `apply` changes. */
export const changeOf = (call: StoreCall | undefined): Change | undefined =>
  call?.name === "apply" ? (call.values[0] as Change) : undefined;

/** Whether it changes what a request stands on, rather than the devices of a user. */
export function isWrite(call: StoreCall | undefined): boolean {
  const change = changeOf(call);
  return change !== undefined && change.kind !== "revoke" && change.kind !== "name";
}

export const isRead = ({ name }: StoreCall): boolean => READS.has(name);

/** Performs one call on the real memory store holding `rows`. */
export async function perform(
  library: Library,
  rows: Rows,
  call: StoreCall,
): Promise<{ readonly value: unknown; readonly rows: Rows }> {
  const store = library.memoryStore();
  for (const login of rows.logins.values()) await store.apply({ kind: "signIn", remember: login });
  for (const session of rows.sessions.values()) await store.apply({ kind: "signIn", insert: session });
  for (const mark of rows.marks) await revoke(store, marking(mark));
  const { name, values } = call;
  const method = store[name as keyof Store] as (...values: unknown[]) => Promise<unknown>;
  const value = await Reflect.apply(method, store, values);
  if (isRead(call)) return { value, rows };

  const change: ChangeParts & Partial<EndSelector> = changeOf(call) ?? {};
  const sessions = new Map<string, SessionRow>();
  // Also one that an update must not bring back.
  for (const id of [
    ...rows.sessions.keys(),
    ...[change.insert, change.update].flatMap((row) => row?.id ?? []),
  ]) {
    const row = await store.findSession(id);
    if (row !== undefined) sessions.set(id, row);
  }
  const logins = new Map<string, RememberedRow>();
  for (const id of [...rows.logins.keys(), ...(change.remember === undefined ? [] : [change.remember.id])]) {
    const found = await store.findRemembered(id);
    if (found !== undefined) logins.set(id, found.login);
  }
  const { mark } = change;
  const isSet = mark !== undefined && (await isMarked(store, mark));
  return { value, rows: { sessions, logins, marks: isSet ? [...rows.marks, mark] : rows.marks } };
}

/** By a sign-in of nobody: a store shows no marks. */
async function isMarked(store: Store, { name, at }: Mark): Promise<boolean> {
  const { done } = await store.apply({ kind: "signIn", proof: { marks: [name], provedAt: at } });
  return !done;
}

/** Ends what nobody has, so that nothing but the mark is left of it: a store has no other way to set one. */
const marking = (mark: Mark) => ({ handle: "nobody's", mark, reason: "revoked", at: 0, pruneAfter: 0 });
