import assert from "node:assert/strict";
import { newId, newSiblingId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type {
  AcceptChange,
  Change,
  Mark,
  RenewChange,
  RestoreChange,
  SaveChange,
  SignInChange,
} from "../../stores/store.ts";
import { digestOf, plain, T0 } from "../rows.ts";
import { type CaseFixture, type Cases, conflict, done, ENDING, ids, pick, rotation } from "./fixture.ts";

/** A mark that no other case has. */
const newMark = (at = T0): Mark => ({ name: `mark of ${newId()}`, at, until: T0 + 1000 });
const newer = ({ name }: Mark, at: number) => ({ marks: [name], provedAt: at });

type Proved = SaveChange | RestoreChange | AcceptChange | SignInChange | RenewChange;

/** Every kind of change that may rest on a proof, with the rows that it needs. */
async function shapesOf(fixture: CaseFixture): Promise<Record<string, Proved>> {
  const { store, ada, sessionRow, rememberedRow } = fixture;
  const device = async () => {
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id, userId: ada, level: "remembered" });
    await done(store.apply({ kind: "signIn", remember: login, insert: session }));
    return { login, session };
  };
  const anonymous = sessionRow();
  await done(store.apply({ kind: "create", insert: anonymous }));
  const [confirmed, rotated, replaced] = [await device(), await device(), await device()];
  const held = rememberedRow();
  await done(store.apply({ kind: "signIn", remember: held }));
  const made = rememberedRow();
  const capped = rememberedRow();
  const raised = { level: "login", secret: digestOf("raised") } as const;
  const cap = {
    userId: ada,
    max: 50,
    overflow: "evictOldest",
    reason: "cap",
    at: T0,
    pruneAfter: T0,
  } as const;
  const next = rememberedRow({ id: newSiblingId(replaced.session.id) });
  return {
    "a session": { kind: "signIn", insert: sessionRow({ userId: ada, level: "login" }) },
    "a login": { kind: "signIn", remember: rememberedRow() },
    both: {
      kind: "signIn",
      remember: made,
      insert: sessionRow({ rememberedId: made.id, userId: ada, level: "login" }),
    },
    "a session that was anonymous": {
      kind: "signIn",
      update: { id: anonymous.id, version: 1, set: { ...raised, userId: ada } },
    },
    "a confirmed password": { kind: "save", update: { id: confirmed.session.id, version: 1, set: raised } },
    "a rotation": {
      kind: "restore",
      rotate: { id: rotated.login.id, generation: 0, set: rotation("next") },
      update: { id: rotated.session.id, version: 1, set: raised },
    },
    "a session for a login": {
      kind: "accept",
      hold: { id: held.id, generation: 0 },
      insert: sessionRow({ rememberedId: held.id, userId: ada, level: "login" }),
    },
    "a login in place of another": {
      kind: "renew",
      remember: next,
      update: { id: replaced.session.id, version: 1, set: { ...raised, rememberedId: next.id } },
      end: [{ login: { id: replaced.login.id }, ...ENDING, reason: "replaced" }],
    },
    "under a cap": {
      kind: "signIn",
      remember: capped,
      insert: sessionRow({ rememberedId: capped.id, userId: ada, level: "login" }),
      caps: [cap],
    },
    "a session under a cap": {
      kind: "signIn",
      insert: sessionRow({ userId: ada, level: "login" }),
      caps: [cap],
    },
    "nothing else": { kind: "signIn" },
  };
}

export const marks: Cases = {
  "what was proved up to a mark changes nothing, whatever it is": async (fixture) => {
    const { store, ada } = fixture;
    const mark = newMark();
    const shapes = await shapesOf(fixture);
    const before = async () => new Set((await store.list(ada)).map((entry) => JSON.stringify(plain(entry))));
    const devices = await before();
    await revoke(store, { handle: newId(), mark, ...ENDING });
    for (const [name, change] of Object.entries(shapes)) {
      for (const provedAt of [T0 - 1, T0]) {
        const result = await store.apply({ ...change, proof: newer(mark, provedAt) });
        assert.deepEqual(result, { done: false, conflict: "outdated" }, name);
      }
      assert.deepEqual(await before(), devices, name);
    }
    // And what was proved after it does all of that.
    for (const [name, change] of Object.entries(shapes)) {
      const result = await store.apply({ ...change, proof: newer(mark, T0 + 1) });
      assert.equal(result.done, true, name);
    }
  },

  "a proof counts where no mark was ever set": async (fixture) => {
    const { store, sessionRow } = fixture;
    for (const [name, change] of Object.entries(await shapesOf(fixture))) {
      const marks = [newMark().name, newMark().name];
      const result = await store.apply({ ...change, proof: { marks, provedAt: T0 } });
      assert.equal(result.done, true, name);
    }
    await done(store.apply({ kind: "signIn", insert: sessionRow(), proof: { marks: [], provedAt: T0 } }));
  },

  "any of the marks that a proof names outdates it, and no other": async ({ store, ada, sessionRow }) => {
    const [ours, everyones, others] = [newMark(), newMark(), newMark(T0 + 500)];
    const signIn = (provedAt: number) =>
      store.apply({
        kind: "signIn",
        insert: sessionRow({ userId: ada, level: "login" }),
        proof: { marks: [ours.name, everyones.name], provedAt },
      });
    await revoke(store, { handle: newId(), mark: others, ...ENDING });
    await done(signIn(T0));
    await revoke(store, { handle: newId(), mark: everyones, ...ENDING });
    await conflict("outdated", signIn(T0));
    await done(signIn(T0 + 1));
    await revoke(store, { handle: newId(), mark: { ...ours, at: T0 + 1 }, ...ENDING });
    await conflict("outdated", signIn(T0 + 1));
    await done(signIn(T0 + 2));
  },

  "the mark of everyone outdates all that name it as that, whosever they are": async ({
    store,
    ada,
    sessionRow,
  }) => {
    const mark = { ...newMark(), ofEveryone: true };
    const signIn = (own: readonly string[], provedAt: number) =>
      store.apply({
        kind: "signIn",
        insert: sessionRow({ userId: ada, level: "login" }),
        proof: { marks: [...own, mark.name], ofEveryone: mark.name, provedAt },
      });
    const users = [[], ...Array.from({ length: 20 }, () => [newMark().name])];
    for (const own of users) await done(signIn(own, T0));
    await revoke(store, { handle: newId(), mark, ...ENDING });
    for (const own of users) {
      await conflict("outdated", signIn(own, T0));
      await done(signIn(own, T0 + 1));
    }
    // A user with a mark of their own is held to both.
    const own = newMark(T0 + 7);
    await revoke(store, { handle: newId(), mark: own, ...ENDING });
    await conflict("outdated", signIn([own.name], T0 + 7));
    await done(signIn([own.name], T0 + 8));
  },

  "other conditions are asked as well": async ({ store, ada, sessionRow }) => {
    const mark = newMark();
    await revoke(store, { handle: newId(), mark, ...ENDING });
    const row = sessionRow({ userId: ada });
    await done(store.apply({ kind: "signIn", insert: row }));
    for (const [provedAt, stale, missing, exists] of [
      [T0 + 1, "stale", "missing", "exists"],
      [T0, "outdated", "outdated", "outdated"],
    ] as const) {
      const proof = newer(mark, provedAt);
      const set = { data: '{"lost":1}' };
      await conflict(stale, store.apply({ kind: "signIn", update: { id: row.id, version: 7, set }, proof }));
      await conflict(
        missing,
        store.apply({ kind: "signIn", update: { id: newId(), version: 1, set }, proof }),
      );
      await conflict(exists, store.apply({ kind: "signIn", insert: row, proof }));
    }
  },

  "a mark is never moved back": async ({ store, ada, all, sessionRow }) => {
    const mark = newMark(T0 + 100);
    await Promise.all(
      [T0, T0 + 100, T0 + 40].map((at, index) =>
        revoke(pick(all, index), { handle: newId(), mark: { ...mark, at }, ...ENDING }),
      ),
    );
    await revoke(store, { handle: newId(), mark: { ...mark, at: T0 + 3, until: T0 + 4 }, ...ENDING });
    const signIn = (provedAt: number) =>
      store.apply({
        kind: "signIn",
        insert: sessionRow({ userId: ada, level: "login" }),
        proof: newer(mark, provedAt),
      });
    await conflict("outdated", signIn(T0 + 100));
    // Nor is it forgotten earlier.
    await store.prune(T0 + 500, 100);
    await conflict("outdated", signIn(T0 + 100));
    await done(signIn(T0 + 101));
  },

  "a mark is set also where nothing is there to end": async ({ store, ada, bob, sessionRow }) => {
    const row = sessionRow({ userId: bob, level: "login" });
    await done(store.apply({ kind: "signIn", insert: row }));
    for (const selector of [
      { userId: ada },
      { handle: newId() },
      { handle: row.id, userId: ada },
      { everyone: true, except: row.id },
    ]) {
      const mark = newMark();
      assert.deepEqual(await revoke(store, { ...selector, mark, ...ENDING }), []);
      await conflict(
        "outdated",
        store.apply({ kind: "signIn", insert: sessionRow(), proof: newer(mark, T0) }),
      );
      await done(
        store.apply({ kind: "signIn", insert: sessionRow({ id: newId() }), proof: newer(mark, T0 + 1) }),
      );
      assert.notEqual(await store.findSession(row.id), undefined);
      await revoke(store, { everyone: true, except: row.id, ...ENDING });
    }
  },

  "a mark ends what its selector means, and spares what it excepts": async ({ store, ada, sessionRow }) => {
    const [kept, ended] = [sessionRow({ userId: ada }), sessionRow({ userId: ada })];
    for (const insert of [kept, ended]) await done(store.apply({ kind: "signIn", insert }));
    const revoked = await revoke(store, { userId: ada, except: kept.id, mark: newMark(), ...ENDING });
    assert.deepEqual(
      revoked.map(({ sessionId }) => sessionId),
      [ended.id],
    );
    assert.deepEqual(ids(await store.list(ada)), [kept.id]);
  },

  "pruning forgets a mark when its time is over, and no earlier": async ({
    store,
    ada,
    expires,
    sessionRow,
  }) => {
    if (expires) return;
    const [mark, later] = [newMark(), { ...newMark(), until: T0 + 2000 }];
    for (const each of [mark, later]) await revoke(store, { handle: newId(), mark: each, ...ENDING });
    const signIn = ({ name }: Mark) =>
      store.apply({
        kind: "signIn",
        insert: sessionRow({ userId: ada, level: "login" }),
        proof: { marks: [name], provedAt: T0 },
      });
    await store.prune(mark.until, 100);
    await conflict("outdated", signIn(mark));
    await store.prune(mark.until + 1, 100);
    await done(signIn(mark));
    await conflict("outdated", signIn(later));
  },

  "of sign-ins and a mark at once each is either refused or ended": async (fixture) => {
    const { all, store, ada } = fixture;
    for (let round = 0; round < 12; round++) {
      const isOfAll = round % 4 === 3;
      const mark = { ...newMark(), ofEveryone: isOfAll };
      const other = `another ${round % 3}`;
      const marks = { marks: [mark.name, other], ofEveryone: isOfAll ? mark.name : other };
      const changes = Object.values(await shapesOf(fixture)).map((change) => ({
        ...change,
        proof: { ...marks, provedAt: T0 },
      }));
      const half = (round * 5) % changes.length;
      const send = (part: readonly Change[]) => part.map((change, index) => pick(all, index).apply(change));
      const selector = isOfAll ? { everyone: true } : { userId: ada };
      const [before, , after] = await Promise.all([
        Promise.all(send(changes.slice(0, half))),
        revoke(pick(all, round), { ...selector, mark, ...ENDING }),
        Promise.all(send(changes.slice(half))),
      ]);
      for (const result of [...before, ...after])
        if (!result.done) assert.match(result.conflict, /outdated|rotation|missing|stale|strayed/);
      assert.deepEqual(await store.list(ada), []);
    }
  },
};
