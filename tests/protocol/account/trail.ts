import { type AuditEntry, earliestAuditId } from "../../../src/stores/audit.ts";
import type { Database } from "../../../src/stores/kit/database.ts";
import type { Range, Transaction } from "../../../src/stores/kit/transaction.ts";
import type { Mark, Store } from "../../../src/stores/store.ts";
import type { Library } from "../library.ts";
import type { StoreCall } from "../rows.ts";
import type { User } from "./acts.ts";

/** The contents of a store over the kit that has the audit trail, as data. */
export type Trail = ReadonlyMap<string, unknown>;

export const NO_TRAIL: Trail = new Map();

/** An entry, and the request that it is about. */
export interface Noted {
  readonly by: number;
  readonly entry: AuditEntry;
}

export type Work = (transaction: Transaction<unknown>) => unknown;

/** One transaction at a time is a step: erasing takes several, and entries come in between. */
export const storeOf = (library: Library, transaction: Database<unknown>["transaction"]): Store =>
  new library.KeyValueStore<unknown>(
    { name: "trail", audit: true, transaction },
    { encode: (value) => value, decode: (value) => value },
  );

export const isOfTrail = (call: StoreCall): boolean => call.name === "transaction";

export async function performed(trail: Trail, work: Work): Promise<{ value: unknown; trail: Trail }> {
  const after = new Map(trail);
  const value = await work({
    get: (key) => after.get(key),
    put: (key, value) => after.set(key, value),
    delete: (key) => after.delete(key),
    range: (range) => ranged(after, range),
  });
  return { value, trail: after };
}

function ranged(trail: Trail, { prefix, after = "", before, isReverse = false, limit }: Range) {
  const isIn = (key: string) =>
    key.startsWith(prefix) && key > after && (before === undefined || key < before);
  const found = [...trail].filter(([key]) => isIn(key)).sort(([a], [b]) => (a < b ? -1 : 1));
  return (isReverse ? found.reverse() : found).slice(0, limit);
}

export async function appended(library: Library, trail: Trail, noted: readonly Noted[]): Promise<Trail> {
  let after = trail;
  const store = storeOf(library, async (work) => {
    const done = await performed(after, work);
    after = done.trail;
    return done.value as never;
  });
  await store.audit?.append(noted.map(({ entry }) => entry));
  return after;
}

export const entriesIn = (trail: Trail): AuditEntry[] =>
  [...trail].flatMap(([key, value]) => (key.startsWith("a/") ? (value as AuditEntry) : []));

export const marksIn = (trail: Trail): Mark[] =>
  [...trail].flatMap(([key, value]) => (key.startsWith("m/") ? (value as Mark) : []));

/** In place of the random part of an id: an entry of a request has the same one whenever the request is run. */
export const noted = (entry: AuditEntry, by: number, count: number): Noted => ({
  by,
  entry: {
    ...entry,
    id: `${earliestAuditId(entry.at)}${String(by).padStart(5, "0")}${String(count).padStart(4, "0")}${entry.id.slice(-4)}`,
  },
});

/** The request that an entry is about. */
export const requestOf = ({ id }: AuditEntry): number => Number(id.slice(9, 14));

/** As its user, as who acted, or in words. */
export const isAbout = ({ userId, actorId, handle, detail }: AuditEntry, user: User): boolean =>
  [userId, actorId, handle].includes(user) || detail?.startsWith(`by ${user}`) === true;
