import { isThenable } from "../../checks/given.ts";
import { assertUserId } from "../../checks/user-id.ts";
import { PsessionError } from "../../errors.ts";
import { systemClock } from "../../protocol/clock.ts";
import type { UserId } from "../../protocol/rows.ts";
import type { AddressPage, AddressResult, AuditTrail } from "../audit.ts";
import { performed } from "../changes.ts";
import { isMeant, listed, targetOf, usersOf } from "../devices.ts";
import { endedRows } from "../erasure.ts";
import { isHeld, type Lock, lastTaken } from "../locks.ts";
import { driverError } from "../messages/driver-error.ts";
import {
  type Change,
  type ChangeResult,
  type Ended,
  type EndSelector,
  type EraseChange,
  type ListedEntry,
  type Naming,
  PRUNE_LOCK,
  type PruneResult,
  type Remembered,
  type SessionRow,
  type Store,
  type StoreAdmin,
  type StoreLocks,
  type StoreReport,
  type Touch,
  type UserEntry,
  type UserIdKind,
  type UserRows,
} from "../store.ts";
import { applied, endDevices, marked, touched } from "./apply.ts";
import { browsed, counted } from "./browse.ts";
import type { Database, KeyValueDatabase } from "./database.ts";
import {
  type Garbage,
  garbageBefore,
  garbagePrefix,
  keyOfGarbage,
  LOGINS,
  lockKey,
  SESSIONS,
} from "./keys.ts";
import { decodeValue, encodeValue } from "./text.ts";
import { trailOver } from "./trail.ts";
import { afterwards, drive, type Operation, type Steps, type Transaction } from "./transaction.ts";
import { Work } from "./work.ts";

export type { KeyValueDatabase } from "./database.ts";
export { type ConditionalDatabase, optimistic } from "./optimistic.ts";
export type { Range, Transaction } from "./transaction.ts";

/**
 * A store over a database with transactions. All conditions of the protocol are here: the database gives and takes text
 * by key, and sees to it that one transaction does not disturb another.
 */
export const storeOver = (database: KeyValueDatabase): Store =>
  new KeyValueStore(database, { encode: encodeValue, decode: decodeValue });

/** How values become what the database keeps. */
interface Coding<Value> {
  encode(value: unknown): Value;
  decode(value: Value): unknown;
}

/** Devices that `everyone` ends in one transaction. */
const CHUNK = 500;

export class KeyValueStore<Value> implements Store {
  readonly name: string;
  readonly userIds: UserIdKind;
  readonly audit: AuditTrail | undefined;
  readonly admin: StoreAdmin;
  readonly #database: Database<Value>;
  readonly #coding: Coding<Value>;

  constructor(database: Database<Value>, coding: Coding<Value>) {
    this.#database = database;
    this.#coding = coding;
    this.name = database.name;
    this.userIds = database.userIds ?? "any";
    this.audit =
      database.audit === true ? trailOver((program) => this.#run(program), this.userIds) : undefined;
    this.admin = {
      browse: (page) => this.#run((work) => browsed(work, page), true),
      inspect: () => this.#inspect(),
    };
  }

  findSession(id: string): Promise<SessionRow | undefined> {
    return this.#run((work) => work.session(id), true);
  }

  findRemembered(id: string): Promise<Remembered | undefined> {
    return this.#run(function* (work) {
      const login = yield* work.login(id);
      return login === undefined ? undefined : { login, session: yield* work.sessionOfLogin(id) };
    }, true);
  }

  apply(change: Change): Promise<ChangeResult> {
    return performed(change, {
      write: async (write) => {
        for (const userId of usersOf(write)) assertUserId(userId, this.userIds);
        return this.#run((work) => applied(work, write));
      },
      revoke: (selector) => this.#revoke(selector),
      name: (naming) => this.#name(naming),
      erase: (erasure) => this.#erase(erasure),
    });
  }

  async touch(touches: readonly Touch[]): Promise<void> {
    if (touches.length > 0) await this.#run((work) => touched(work, touches));
  }

  async #revoke(selector: EndSelector): Promise<readonly Ended[]> {
    const { handle, userId, mark } = selector;
    if (userId !== undefined) assertUserId(userId, this.userIds);
    const target = targetOf(selector);
    if (target === "nothing") return [];
    if (target === "everyone") return this.#endEveryone(selector);
    return this.#run(function* (work) {
      if (mark !== undefined) yield* marked(work, mark);
      const devices =
        handle === undefined ? yield* work.devicesOf(userId ?? "") : [yield* work.device(handle)];
      return endDevices(work, meant(devices, selector), selector);
    });
  }

  /** In parts: a user with very many sessions must not block all other users for long. */
  async #endEveryone(selector: EndSelector): Promise<Ended[]> {
    const { mark } = selector;
    const ended: Ended[] = [];
    if (mark !== undefined) await this.#run((work) => marked(work, mark));
    for (const prefix of [SESSIONS, LOGINS]) {
      let after: string | undefined;
      do {
        const part = await this.#run(function* (work) {
          const keys = (yield* work.range({ prefix, after, limit: CHUNK })).map(([key]) => key);
          const devices = yield* work.devicesAt(new Set(keys));
          const last = keys.length < CHUNK ? undefined : keys.at(-1);
          return { ended: endDevices(work, meant(devices, selector), selector), last };
        });
        ended.push(...part.ended);
        after = part.last;
      } while (after !== undefined);
    }
    return ended;
  }

  async #name({ handle, userId, name }: Naming): Promise<boolean> {
    assertUserId(userId, this.userIds);
    return this.#run(function* (work) {
      const device = yield* work.device(handle);
      if (device === undefined || (device.session?.userId ?? device.login?.userId) !== userId) return false;
      const { session, login } = device;
      if (login !== undefined) work.putLogin({ ...login, name }, login);
      if (session !== undefined) work.putSession({ ...session, name }, session);
      return true;
    });
  }

  async #erase({ userId, realm = "", mark }: EraseChange): Promise<readonly Ended[]> {
    assertUserId(userId, this.userIds);
    return this.#run(function* (work) {
      yield* marked(work, mark);
      const { sessions, logins } = yield* work.rowsOf(userId);
      const isOwn = ({ id }: { readonly id: string }) => id.endsWith(realm);
      const erased = { sessions: sessions.filter(isOwn), logins: logins.filter(isOwn) };
      for (const session of erased.sessions) work.dropSession(session);
      for (const login of erased.logins) work.dropLogin(login);
      return endedRows(erased, userId);
    });
  }

  async rowsOf(userId: UserId): Promise<UserRows> {
    assertUserId(userId, this.userIds);
    return this.#run((work) => work.rowsOf(userId), true);
  }

  async forgetAddresses({ before, realm, after, limit }: AddressPage): Promise<AddressResult> {
    return this.#run(function* (work) {
      const rows = yield* work.range<SessionRow>({ prefix: SESSIONS, after, limit });
      const old = rows.flatMap(([, row]) =>
        row.address !== undefined && row.lastSeenAt < before && row.id.endsWith(realm) ? row : [],
      );
      for (const row of old) work.putSession({ ...row, address: undefined }, row);
      return { count: old.length, next: rows.length < limit ? undefined : rows.at(-1)?.[0] };
    });
  }

  async list(userId: UserId): Promise<readonly ListedEntry[]> {
    assertUserId(userId, this.userIds);
    return (await this.#run((work) => work.devicesOf(userId), true)).map(listed);
  }

  async prune(now: number, limit: number): Promise<PruneResult> {
    const [sessions, logins] = [await this.#prune("s", now, limit), await this.#prune("l", now, limit)];
    await this.#prune("k", now, limit);
    await this.#prune("m", now, limit);
    return { sessions, logins };
  }

  #prune(kind: Garbage, now: number, limit: number): Promise<number> {
    const range = { prefix: garbagePrefix(kind), before: garbageBefore(kind, now), limit };
    return this.#run(function* (work) {
      const keys = (yield* work.range(range)).map(([key]) => key);
      for (const key of keys) {
        const own = keyOfGarbage(key);
        const id = own.slice(2);
        const session = kind === "s" ? yield* work.session(id) : undefined;
        const login = kind === "l" ? yield* work.login(id) : undefined;
        if (session !== undefined) work.dropSession(session);
        else if (login !== undefined) work.dropLogin(login);
        else work.delete(own);
        work.delete(key);
      }
      return keys.length;
    });
  }

  readonly locks: StoreLocks = {
    acquire: (request) => {
      const { name, owner, now, until } = request;
      const key = lockKey(name);
      return this.#run(function* (work) {
        const held = yield* work.get<Lock>(key);
        if (held !== undefined && isHeld(held, request)) return undefined;
        const fence = Math.max((held?.fence ?? 0) + 1, now);
        work.keep(key, held?.until, { owner, until, fence }, until);
        return fence;
      });
    },
    release: (name, owner) => {
      const key = lockKey(name);
      return this.#run(function* (work) {
        const held = yield* work.get<Lock>(key);
        if (held?.owner === owner) work.put(key, { ...held, owner: "" });
      });
    },
  };

  async #inspect(): Promise<StoreReport> {
    const { name, version = name } = this.#database;
    const rows = async (prefix: string) => this.#run((work) => counted(work, prefix), true);
    return {
      now: systemClock.now(),
      version,
      tables: [
        { name: "sessions", rows: await rows(SESSIONS), bytes: undefined },
        { name: "logins", rows: await rows(LOGINS), bytes: undefined },
      ],
      prunedAt: lastTaken(await this.#run((work) => work.get<Lock>(lockKey(PRUNE_LOCK)), true)),
      faults: [],
    };
  }

  async close(): Promise<void> {
    await this.#database.close?.();
  }

  /** One transaction. A program that gives up writes nothing. */
  async #run<T>(program: (work: Work) => Steps<T>, onlyReads = false): Promise<T> {
    const database = this.#database;
    const begun = (transaction: Transaction<Value>) => {
      const work = new Work();
      return drive(
        program(work),
        (operation) => this.#perform(transaction, operation),
        () => this.#flush(transaction, work),
      );
    };
    try {
      return await (onlyReads && database.read !== undefined
        ? database.read(begun)
        : database.transaction(begun));
    } catch (error) {
      if (error instanceof PsessionError) throw error;
      throw new PsessionError("store_unavailable", `The ${this.name} store failed.`, {
        cause: driverError(error),
      });
    }
  }

  #perform(transaction: Transaction<Value>, operation: Operation): unknown {
    const { decode } = this.#coding;
    return operation.kind === "get"
      ? afterwards(transaction.get(operation.key), (value) =>
          value === undefined ? undefined : decode(value),
        )
      : afterwards(transaction.range(operation.range), (entries) =>
          Array.from(entries, ([key, value]) => [key, decode(value)] as const),
        );
  }

  #flush(transaction: Transaction<Value>, { writes }: Work): void | Promise<void> {
    const { encode } = this.#coding;
    const waiting: unknown[] = [];
    for (const [key, value] of writes) {
      const written = value === undefined ? transaction.delete(key) : transaction.put(key, encode(value));
      if (isThenable(written)) waiting.push(written);
    }
    if (waiting.length > 0) return Promise.all(waiting).then(() => {});
  }
}

const meant = (devices: readonly (UserEntry | undefined)[], selector: EndSelector): UserEntry[] =>
  devices.filter((device) => device !== undefined && isMeant(device, selector)) as UserEntry[];
