import assert from "node:assert/strict";
import { newId, newSiblingId } from "../../protocol/secrets.ts";
import type {
  ChangeResult,
  Ended,
  KeptUpdate,
  RememberedRow,
  RestoreChange,
  Rotation,
  SaveChange,
  SessionRow,
  SignInChange,
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
  /** Rows that are stored nowhere yet. */
  readonly make: {
    /** A session in which ada is signed in, unless it says otherwise. */
    session(fields?: Partial<SessionRow>): SessionRow;
    /** A remembered login, of ada unless it says otherwise. */
    login(fields?: Partial<RememberedRow>): RememberedRow;
  };
  /** Rows that the store has, of ada unless they say otherwise. */
  readonly stored: {
    anonymous(fields?: Partial<SessionRow>): Promise<SessionRow>;
    session(fields?: Partial<SessionRow>): Promise<SessionRow>;
    /** Without a session. */
    login(fields?: Partial<RememberedRow>): Promise<RememberedRow>;
    /** The session is of the login's user. */
    device(fields?: { login?: Partial<RememberedRow>; session?: Partial<SessionRow> }): Promise<Device>;
  };
}

/** A remembered login and its session. */
export interface Device {
  readonly login: RememberedRow;
  readonly session: SessionRow;
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
  const make: CaseFixture["make"] = {
    session: (fields) => sessionRow({ userId: ada, level: "login", ...fields }),
    login: (fields) => rememberedRow({ userId: ada, ...fields }),
  };
  const kept = async <Rows extends Pick<SignInChange, "insert" | "remember">>(rows: Rows): Promise<Rows> => {
    await done(store.apply({ kind: "signIn", ...rows }));
    return rows;
  };
  const stored: CaseFixture["stored"] = {
    anonymous: async (fields) => (await kept({ insert: sessionRow(fields) })).insert,
    session: async (fields) => (await kept({ insert: make.session(fields) })).insert,
    login: async (fields) => (await kept({ remember: make.login(fields) })).remember,
    device: async ({ login, session } = {}) => {
      const remember = make.login(login);
      const insert = make.session({ rememberedId: remember.id, userId: remember.userId, ...session });
      await kept({ remember, insert });
      return { login: remember, session: insert };
    },
  };
  return { store, all: [store, ...others], ada, bob, expires, make, stored };
}

/** A device with a value of its own in every field that it may have. */
export function fullRows(userId: UserId): Device {
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
    handle: newId(),
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
    proofs: "otp@4000000000001 password@4000000000000",
    pendingUserId: userId,
    pending: "4000000000002;4000000000001;1;password@4000000000000",
    actorUserId: userId,
    actor: "full-session-of-an-ad;7;ticket 4711; by phone",
    confirmFrom: next(),
    data: '{"full":true}',
    version: 5,
    createdAt: next(),
    beganAt: next(),
    lastSeenAt: next(),
    idleDeadline: next(),
    absoluteDeadline: next(),
    idleFor: 600_001,
    absoluteFor: 3_600_001,
    userAgent: "full agent",
    address: "2001:db8::7",
    handle: newSiblingId(login.id),
    name: "session's name",
    tag: "session's tag",
    pruneAfter: next(),
  };
  return { login, session };
}

/** Of which a case says whose it is, and how many devices it allows. */
export const CAP = { overflow: "evictOldest", reason: "cap", at: T0, pruneAfter: T0 + 20 } as const;

export const ENDING = { reason: "revoked", at: T0 + 10, pruneAfter: T0 + 20 } as const;

export async function done(result: Promise<ChangeResult>): Promise<void> {
  assert.deepEqual({ done: (await result).done }, { done: true });
}

/** What a change has ended; nothing where it was not done. */
export const endedBy = (result: ChangeResult): readonly Ended[] => (result.done ? result.ended : []);

/** The handle of a device: its login's id, or else its session's. */
export const handleOfEnded = ({ rememberedId, sessionId }: Ended): string | undefined =>
  rememberedId ?? sessionId;

/** A device as a change reports it that has ended it. */
export const endedAs = ({ login, session }: Device, reason: string = ENDING.reason): Ended => ({
  sessionId: session.id,
  rememberedId: login.id,
  userId: login.userId,
  reason,
});

/** Both rows of a device have ended, or neither. */
export async function assertEnds(
  store: Store,
  device: Device,
  ends: boolean,
  message?: string,
): Promise<void> {
  const found = await store.findRemembered(device.login.id);
  assert.equal(found?.login.revokedAt !== undefined, ends, message);
  assert.equal((await store.findSession(device.session.id)) === undefined, ends, message);
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

/** The change of a request that exchanges the token and the secret of a device as it was stored. */
export const exchange = ({ login, session }: Device): RestoreChange => ({
  kind: "restore",
  rotate: { id: login.id, generation: 0, set: rotation("next") },
  update: { id: session.id, version: 1, set: { secret: digestOf("next") } },
});

/** Saves into a session as it was stored, or as it is by that version. */
export const save = ({ id }: Pick<SessionRow, "id">, set: KeptUpdate["set"], version = 1): SaveChange => ({
  kind: "save",
  update: { id, version, set },
});

export function ids(entries: Awaited<ReturnType<Store["list"]>>): (string | undefined)[] {
  return entries.map(({ session, login }) => session?.id ?? login?.id);
}

/** So many calls at once, from one store after another. */
export const atOnce = <Result>(
  all: readonly Store[],
  times: number,
  call: (from: Store, index: number) => Promise<Result>,
): Promise<Result[]> =>
  Promise.all(Array.from({ length: times }, (_, index) => call(pick(all, index), index)));

export function pick(stores: readonly Store[], index: number): Store {
  const store = stores[index % stores.length];
  if (store === undefined) throw new Error("a fixture has at least one store");
  return store;
}
