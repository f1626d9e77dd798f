import { expect } from "vitest";
import { newId } from "../../../src/protocol/secrets.ts";
import { newAuditId } from "../../../src/stores/audit.ts";
import { revoke } from "../../../src/stores/changes.ts";
import { listed } from "../../../src/stores/devices.ts";
import { locksOf } from "../../../src/stores/locks.ts";
import type { Change, Store, UserId } from "../../../src/stores/store.ts";
import { digestOf, plain, rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { claimPrune } from "../../../src/upkeep/prune.ts";

export const ADA: Record<Store["userIds"], UserId> = {
  any: "ada",
  text: "ada",
  integer: 7,
  uuid: "0f8fad5b-d9cb-469f-a165-70867728950e",
};

/** A login with its session, every field of both set, and none like another. */
export function fullRows(userId: UserId) {
  const login = rememberedRow({
    userId,
    previous: digestOf("previous"),
    superseded: digestOf("superseded"),
    supersededAt: T0 + 1,
    generation: 3,
    strays: 1,
    rotatedAt: T0 + 2,
    createdAt: T0 + 4,
    lastUsedAt: T0 + 5,
    idleDeadline: T0 + 1_000_006,
    absoluteDeadline: T0 + 1_000_007,
    handle: newId(),
    name: "At home",
    tag: "tv",
    pruneAfter: T0 + 8,
  });
  const session = sessionRow({
    rememberedId: login.id,
    userId,
    previousSecret: digestOf("previous secret"),
    retiredSecret: digestOf("retired secret"),
    fence: 2,
    secretAt: T0 + 11,
    level: "login",
    authenticatedAt: T0 + 12,
    proofs: "password@4000000000000",
    pendingUserId: userId,
    pending: "4000000000002;4000000000001;1;",
    actorUserId: userId,
    actor: "a-session;3;ticket",
    bound: "a-record.abc",
    confirmFrom: T0 + 13,
    data: '{"cart":["ink"]}',
    createdAt: T0 + 14,
    beganAt: T0 + 19,
    lastSeenAt: T0 + 15,
    idleDeadline: T0 + 1_000_016,
    absoluteDeadline: T0 + 1_000_017,
    idleFor: 600_000,
    absoluteFor: 3_600_000,
    userAgent: "Browser/1.0",
    address: "2001:db8::1",
    handle: newId(),
    name: "At home",
    tag: "tv",
    pruneAfter: T0 + 18,
  });
  return { login, session };
}

let rounds = 0;

/** What rests on proofs, is counted, or ends in some states only: in statements of its own. */
async function exerciseProofs(store: Store): Promise<void> {
  const userId = ADA[store.userIds];
  const ending = { reason: "revoked", at: T0 + 40, pruneAfter: T0 + 41 };
  const mark = { name: newId(), at: T0, until: T0 + 9 };
  const proof = { marks: [mark.name, newId()], provedAt: T0 + 1 };
  const none = { done: true, ended: [] };
  // The first one makes what the second one asks.
  for (const _ of ["first", "second"]) {
    const { login, session } = fullRows(userId);
    expect(await store.apply({ kind: "signIn", remember: login, insert: session, proof })).toEqual(none);
    expect(plain(await store.findRemembered(login.id))).toEqual(plain({ login, session }));
    const single = { ...session, id: newId(), rememberedId: undefined };
    expect(await store.apply({ kind: "signIn", insert: single, proof })).toEqual(none);
    expect(plain(await store.findSession(single.id))).toEqual(plain(single));
    const { id: ___, version: ____, createdAt: _____, ...set } = { ...single, data: "{}" };
    expect(await store.apply({ kind: "signIn", update: { id: single.id, version: 1, set }, proof })).toEqual(
      none,
    );
    expect(plain(await store.findSession(single.id))).toEqual(plain({ ...single, data: "{}", version: 2 }));
    const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter: T0, confirm: undefined };
    const saved = { update: { id: session.id, version: 1, set: { data: "{}" } }, use };
    expect(await store.apply({ kind: "signIn", ...saved, proof })).toEqual(none);
    expect(await store.apply({ kind: "stray", stray: { id: login.id, generation: 3, max: 2 } })).toEqual(
      none,
    );

    const misfit = { kind: "forked", generation: 3, token: login.token } as const;
    expect(await store.apply({ kind: "end", end: [{ login: { id: login.id, misfit }, ...ending }] })).toEqual(
      none,
    );
    const late = { everyone: true, lastUsedBefore: T0 + 15, ...ending };
    expect(await revoke(store, late)).toEqual([]);
    const retired = { session: { id: session.id, userId, secret: digestOf("retired secret") }, ...ending };
    expect(await store.apply({ kind: "end", end: [retired] })).toMatchObject({
      ended: [{ rememberedId: login.id }],
    });
    expect(await revoke(store, { ...late, lastUsedBefore: T0 + 16 })).toHaveLength(1);
  }
  await revoke(store, { userId, mark: { ...mark, at: T0 + 1 }, ...ending });
  const insert = sessionRow({ userId, level: "login", pruneAfter: T0 + 100 });
  const outdated = { done: false, conflict: "outdated" };
  expect(await store.apply({ kind: "signIn", insert, proof })).toEqual(outdated);
  await store.prune(T0 + 42, 10);
  expect(await store.apply({ kind: "signIn", insert, proof })).toEqual(none);
  await revoke(store, { userId, ...ending });
}

/** Everything that a store does, once; whatever is read back is what was written. */
export async function exercise(store: Store): Promise<void> {
  const userId = ADA[store.userIds];
  const { login, session: full } = fullRows(userId);
  // A session in which an administrator acts counts as no device.
  const session = { ...full, actorUserId: undefined, actor: undefined };
  const found = async () => plain(await store.findRemembered(login.id));
  const done = { done: true, ended: [] };

  expect(await store.apply({ kind: "signIn", remember: login, insert: session })).toEqual(done);
  expect(await found()).toEqual(plain({ login, session }));
  expect(plain(await store.findSession(session.id))).toEqual(plain(session));

  const confirm = { generation: 3, token: login.token, at: T0 + 20 };
  const use = { id: login.id, lastUsedAt: T0 + 21, idleDeadline: T0 + 1_000_022, pruneAfter: T0 + 23 };
  const touch = {
    sessionId: session.id,
    lastSeenAt: T0 + 24,
    idleDeadline: T0 + 1_000_025,
    pruneAfter: T0 + 26,
  };
  await store.touch([{ ...touch, remembered: { ...use, confirm: undefined } }]);
  await store.touch([{ ...touch, remembered: { ...use, confirm } }]);
  const { sessionId: _, ...seen } = touch;
  const touched = { ...session, ...seen, confirmFrom: undefined };
  const used = { ...login, ...use, confirmedAt: T0 + 20 };
  expect(await found()).toEqual(plain({ login: used, session: touched }));
  expect(plain(await store.list(userId))).toEqual(plain([listed({ login: used, session: touched })]));

  const set = {
    token: digestOf("next"),
    previous: login.token,
    superseded: digestOf("replaced"),
    supersededAt: T0 + 30,
    salt: digestOf("new salt").slice(0, 16),
    keyId: "other key",
    rotatedAt: T0 + 31,
    lastUsedAt: T0 + 32,
    idleDeadline: T0 + 1_000_033,
    pruneAfter: T0 + 34,
  };
  const data = { data: '{"cart":[]}', confirmFrom: T0 + 35, lastSeenAt: T0 + 36 };
  const change: Change = {
    kind: "restore",
    rotate: { id: login.id, generation: 3, set },
    update: { id: session.id, version: 1, set: data },
  };
  expect(await store.apply(change)).toEqual(done);
  const rotated = {
    login: { ...used, ...set, generation: 4, confirmedAt: undefined },
    session: { ...touched, ...data, version: 2 },
  };
  expect(await found()).toEqual(plain(rotated));
  expect(await store.apply(change)).toEqual({ done: false, conflict: "rotation" });
  const hold = { id: login.id, generation: 4 };
  const confirming = { ...use, confirm: { generation: 4, token: set.token, at: T0 + 37 } };
  const update = { id: session.id, version: 2, set: { data: "{}" } };
  expect(await store.apply({ kind: "accept", hold, update })).toEqual(done);
  expect(await store.apply({ kind: "save", update: { ...update, version: 3 }, use: confirming })).toEqual(
    done,
  );
  expect((await store.findSession(session.id))?.confirmFrom).toBeUndefined();

  const reason = { reason: "revoked", at: T0 + 40, pruneAfter: T0 + 41 };
  const more = sessionRow({ userId, level: "login", pruneAfter: T0 + 100 });
  const cap = { userId, max: 1, overflow: "evictOldest", ...reason } as const;
  expect(await store.apply({ kind: "signIn", insert: more, caps: [cap] })).toEqual({
    done: true,
    ended: [
      { sessionId: session.id, rememberedId: login.id, userId, reason: "revoked", handle: session.handle },
    ],
  });
  expect(await found()).toMatchObject({ login: { revokedAt: T0 + 40, revokedReason: "revoked" } });
  expect(await revoke(store, { userId, ...reason })).toHaveLength(1);
  expect(await store.list(userId)).toEqual([]);

  await store.apply({ kind: "signIn", insert: sessionRow({ userId, level: "login", pruneAfter: T0 + 50 }) });
  await store.apply({ kind: "signIn", insert: sessionRow({ userId, level: "login", pruneAfter: T0 + 60 }) });
  expect(await store.prune(T0 + 51, 10)).toEqual({ sessions: 1, logins: 1 });
  expect(await store.list(userId)).toHaveLength(1);
  expect(await store.prune(T0 + 61, 10)).toEqual({ sessions: 1, logins: 0 });

  await exerciseProofs(store);

  const entry = { id: newAuditId(T0), at: T0, event: "login", userId, handle: newId(), address: "::1" };
  const told = { ...entry, actorId: userId, detail: "twice" };
  for (const _ of ["once", "and again"]) await store.audit?.append([told]);
  if (store.audit !== undefined) {
    expect(await store.audit.read({ userId, limit: 9 })).toEqual([told]);
    expect([...(await store.audit.count(T0))]).toEqual([["login", 1]]);
    expect(await store.audit.prune(T0 + 1, 9)).toBe(1);
  }

  const lock = { name: newId(), owner: "me", now: T0, until: T0 + 9 };
  expect(await locksOf(store).acquire(lock)).toBe(T0);
  expect(await locksOf(store).acquire({ ...lock, owner: "you" })).toBeUndefined();
  await locksOf(store).release(lock.name, "me");
  expect(await locksOf(store).acquire({ ...lock, owner: "you" })).toBe(T0 + 1);
  const now = T0 + 100 * ++rounds;
  expect([await claimPrune(store, now, 10), await claimPrune(store, now, 10)]).toEqual([true, false]);
}
