import assert from "node:assert/strict";
import type {
  ChangeResult,
  RememberedRow,
  Rotation,
  SessionRow,
  Store,
  UserId,
  UserIdKind,
} from "../../stores/store.ts";
import { digestOf, rememberedRow, sessionRow, T0 } from "../rows.ts";

/** What a case of the contract works with. */
export interface CaseFixture {
  readonly store: Store;
  /** The store and its others, for calls from several connections. */
  readonly all: readonly Store[];
  /** Two users, by the kind of id that the store keeps. */
  readonly ada: UserId;
  readonly bob: UserId;
  /** Rows go away by themselves when their time has come. */
  readonly expires: boolean;
  sessionRow(fields?: Partial<SessionRow>): SessionRow;
  /** A remembered login, of ada unless it says otherwise. */
  rememberedRow(fields?: Partial<RememberedRow>): RememberedRow;
}

export type Cases = Record<string, (fixture: CaseFixture) => Promise<void>>;

const USERS: Record<UserIdKind, readonly [UserId, UserId]> = {
  any: ["ada", "bob"],
  text: ["ada", "bob"],
  integer: [Number.MAX_SAFE_INTEGER, 2],
  uuid: ["0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"],
};

export function fixtureOf(store: Store, others: readonly Store[], expires: boolean): CaseFixture {
  const [ada, bob] = USERS[store.userIds];
  return {
    store,
    all: [store, ...others],
    ada,
    bob,
    expires,
    sessionRow,
    rememberedRow: (fields) => rememberedRow({ userId: ada, ...fields }),
  };
}

/** A device with a value of its own in every field that it may have. */
export function fullRows(userId: UserId): { login: RememberedRow; session: SessionRow } {
  let at = T0;
  const next = () => ++at;
  const login: RememberedRow = {
    ...rememberedRow({ userId }),
    token: digestOf("full token"),
    previous: digestOf("full previous"),
    superseded: digestOf("full superseded"),
    supersededAt: next(),
    salt: digestOf("full salt").slice(0, 16),
    keyId: "full key",
    generation: 11,
    rotatedAt: next(),
    confirmedAt: next(),
    strays: 2,
    createdAt: next(),
    lastUsedAt: next(),
    idleDeadline: next(),
    absoluteDeadline: next(),
    name: "login's name",
    tag: "login's tag",
    pruneAfter: next(),
  };
  const session: SessionRow = {
    ...sessionRow({ rememberedId: login.id, userId }),
    secret: digestOf("full secret"),
    secretAt: next(),
    previousSecret: digestOf("full previous secret"),
    retiredSecret: digestOf("full retired secret"),
    fence: 7,
    level: "login",
    authenticatedAt: next(),
    confirmFrom: next(),
    data: '{"full":true}',
    version: 5,
    createdAt: next(),
    beganAt: next(),
    lastSeenAt: next(),
    idleDeadline: next(),
    absoluteDeadline: next(),
    userAgent: "full agent",
    address: "2001:db8::7",
    name: "session's name",
    tag: "session's tag",
    pruneAfter: next(),
  };
  return { login, session };
}

export const ENDING = { reason: "revoked", at: T0 + 10, pruneAfter: T0 + 20 } as const;

export async function done(result: Promise<ChangeResult>): Promise<void> {
  assert.deepEqual({ done: (await result).done }, { done: true });
}

export async function conflict(why: string, result: Promise<ChangeResult>): Promise<void> {
  const { done, ...rest } = await result;
  assert.deepEqual({ done, ...rest }, { done: false, conflict: why });
}

export function rotation(token: string): Rotation {
  return {
    token: digestOf(token),
    previous: digestOf("token"),
    superseded: undefined,
    supersededAt: undefined,
    salt: digestOf(`salt of ${token}`).slice(0, 16),
    keyId: "key",
    rotatedAt: T0 + 7,
    lastUsedAt: T0 + 7,
    idleDeadline: T0 + 70,
    pruneAfter: T0 + 700,
  };
}

export function ids(entries: Awaited<ReturnType<Store["list"]>>): (string | undefined)[] {
  return entries.map(({ session, login }) => session?.id ?? login?.id);
}

export function pick(stores: readonly Store[], index: number): Store {
  const store = stores[index % stores.length];
  if (store === undefined) throw new Error("a fixture has at least one store");
  return store;
}
