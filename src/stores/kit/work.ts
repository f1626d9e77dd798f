import type { UserId } from "../../protocol/rows.ts";
import { namesUser } from "../erasure.ts";
import type { RememberedRow, SessionRow, UserEntry } from "../store.ts";
import {
  garbageKey,
  LOGINS,
  loginKey,
  othersPrefix,
  ownerKey,
  SESSIONS,
  sessionKey,
  userPrefix,
} from "./keys.ts";
import type { Range, Steps } from "./transaction.ts";

/**
 * What one transaction reads and is going to write. Writes are kept here until the end: a program that gives up has
 * changed nothing, so the database need not undo anything.
 */
export class Work {
  readonly writes = new Map<string, unknown>();

  *get<Value>(key: string): Steps<Value | undefined> {
    const value = this.writes.has(key) ? this.writes.get(key) : yield { kind: "get", key };
    return value as Value | undefined;
  }

  /** Entries as they were when the transaction began, without those that it has deleted. */
  *range<Value>(range: Range): Steps<(readonly [key: string, value: Value])[]> {
    const found: Iterable<readonly [string, Value]> = yield { kind: "range", range };
    return Array.from(found).filter(([key]) => !this.writes.has(key) || this.writes.get(key) !== undefined);
  }

  put(key: string, value: unknown): void {
    this.writes.set(key, value);
  }

  delete(key: string): void {
    this.writes.set(key, undefined);
  }

  /** A row that is garbage from some time on. */
  keep(key: string, before: number | undefined, row: unknown, until: number): void {
    this.put(key, row);
    this.#point(before === undefined ? undefined : garbageKey(before, key), garbageKey(until, key), "");
  }

  session = (id: string): Steps<SessionRow | undefined> => this.get(sessionKey(id));
  login = (id: string): Steps<RememberedRow | undefined> => this.get(loginKey(id));
  /** The id of the session that a login has. */
  ownerOf = (loginId: string): Steps<string | undefined> => this.get(ownerKey(loginId));

  *sessionOfLogin(loginId: string): Steps<SessionRow | undefined> {
    const id = yield* this.ownerOf(loginId);
    return id === undefined ? undefined : yield* this.session(id);
  }

  putSession(row: SessionRow, before: SessionRow | undefined): void {
    const key = sessionKey(row.id);
    this.keep(key, before?.pruneAfter, row, row.pruneAfter);
    this.#point(ownerOf(before), ownerOf(row), row.id);
    const [places, left] = [placesOf(row), placesOf(before)];
    for (const place of left) if (!places.has(place)) this.delete(place);
    for (const place of places) if (!left.has(place)) this.put(place, "");
  }

  dropSession(row: SessionRow): void {
    this.#drop(sessionKey(row.id), row.pruneAfter, ownerOf(row), ...placesOf(row));
  }

  /** A key that leads to a row: only where that changes, as others may be writing beside it. */
  #point(before: string | undefined, now: string | undefined, value: string): void {
    if (before === now) return;
    if (before !== undefined) this.delete(before);
    if (now !== undefined) this.put(now, value);
  }

  putLogin(row: RememberedRow, before: RememberedRow | undefined): void {
    this.keep(loginKey(row.id), before?.pruneAfter, row, row.pruneAfter);
    this.#point(placeOfLogin(before), placeOfLogin(row), "");
  }

  dropLogin(row: RememberedRow): void {
    this.#drop(loginKey(row.id), row.pruneAfter, placeOfLogin(row));
  }

  /** With the keys that lead to it. */
  #drop(key: string, until: number, ...leading: readonly (string | undefined)[]): void {
    for (const one of [key, garbageKey(until, key), ...leading]) if (one !== undefined) this.delete(one);
  }

  /** The device that a session is, alone or with its login. */
  *deviceOfSession(id: string): Steps<UserEntry | undefined> {
    const session = yield* this.session(id);
    if (session === undefined) return undefined;
    const login = session.rememberedId === undefined ? undefined : yield* this.login(session.rememberedId);
    return { session, login: login?.revokedAt === undefined ? login : undefined };
  }

  /** The device that an unrevoked login is, alone or with its session. */
  *deviceOfLogin(id: string): Steps<UserEntry | undefined> {
    const login = yield* this.login(id);
    if (login === undefined || login.revokedAt !== undefined) return undefined;
    const session = yield* this.sessionOfLogin(id);
    return session === undefined ? { session, login } : { session, login };
  }

  /** By the id of either. */
  *device(id: string): Steps<UserEntry | undefined> {
    return (yield* this.deviceOfSession(id)) ?? (yield* this.deviceOfLogin(id));
  }

  /** Sessions and unrevoked logins of a user, those of a device together. */
  *devicesOf(userId: UserId): Steps<UserEntry[]> {
    const prefix = userPrefix(userId);
    const keys = new Set((yield* this.range({ prefix })).map(([key]) => key.slice(prefix.length)));
    for (const [key, value] of this.writes)
      if (value !== undefined && key.startsWith(prefix)) keys.add(key.slice(prefix.length));
    return yield* this.devicesAt(keys);
  }

  /** Every row that names the user. */
  *rowsOf(userId: UserId): Steps<{ sessions: SessionRow[]; logins: RememberedRow[] }> {
    const keys = new Set<string>();
    for (const prefix of [userPrefix(userId), othersPrefix(userId)])
      for (const [key] of yield* this.range({ prefix })) keys.add(key.slice(prefix.length));
    const sessions: SessionRow[] = [];
    const logins: RememberedRow[] = [];
    for (const key of keys) {
      const isSession = key.startsWith(SESSIONS);
      const session = isSession ? yield* this.session(key.slice(SESSIONS.length)) : undefined;
      const login = isSession ? undefined : yield* this.login(key.slice(LOGINS.length));
      if (session !== undefined && namesUser(session, userId)) sessions.push(session);
      if (login !== undefined && namesUser(login, userId)) logins.push(login);
    }
    return { sessions, logins };
  }

  /** Those of the rows with these keys; a device comes once. */
  *devicesAt(keys: ReadonlySet<string>): Steps<UserEntry[]> {
    const devices: UserEntry[] = [];
    for (const key of keys) {
      const isSession = key.startsWith(SESSIONS);
      const id = key.slice(isSession ? SESSIONS.length : LOGINS.length);
      const device = isSession ? yield* this.deviceOfSession(id) : yield* this.deviceOfLogin(id);
      const isThere = !isSession && device?.session !== undefined && keys.has(sessionKey(device.session.id));
      if (device !== undefined && !isThere) devices.push(device);
    }
    return devices;
  }
}

const ownerOf = (row: SessionRow | undefined): string | undefined =>
  row?.rememberedId === undefined ? undefined : ownerKey(row.rememberedId);

/** Among what its user has, and what else names a user. */
function placesOf(row: SessionRow | undefined): Set<string> {
  const places = new Set<string>();
  if (row === undefined) return places;
  const key = sessionKey(row.id);
  if (row.userId !== undefined) places.add(userPrefix(row.userId) + key);
  for (const other of [row.pendingUserId, row.actorUserId])
    if (other !== undefined) places.add(othersPrefix(other) + key);
  return places;
}

const placeOfLogin = (row: RememberedRow | undefined): string | undefined => {
  if (row === undefined) return undefined;
  const prefix = row.revokedAt === undefined ? userPrefix(row.userId) : othersPrefix(row.userId);
  return prefix + loginKey(row.id);
};
