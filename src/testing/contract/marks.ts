import assert from "node:assert/strict";
import { newId, newSiblingId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type {
  AcceptChange,
  Change,
  Mark,
  Proof,
  RenewChange,
  RestoreChange,
  SaveChange,
  SignInChange,
  Store,
} from "../../stores/store.ts";
import { digestOf, plain, sessionRow, T0 } from "../rows.ts";
import {
  CAP,
  type CaseFixture,
  type Cases,
  conflict,
  done,
  ENDING,
  ids,
  pick,
  rotation,
  save,
} from "./fixture.ts";

/** A mark that no other case has. */
const newMark = (at = T0): Mark => ({ name: `mark of ${newId()}`, at, until: T0 + 1000 });
const newer = ({ name }: Mark, at: number) => ({ marks: [name], provedAt: at });

/** Sets a mark, and ends nothing. */
const setMark = (store: Store, mark: Mark) => revoke(store, { handle: newId(), mark, ...ENDING });

/** A sign-in of ada that rests on this proof. */
const signInBy = ({ store, make }: CaseFixture, proof: Proof) =>
  store.apply({ kind: "signIn", insert: make.session(), proof });

type Proved = SaveChange | RestoreChange | AcceptChange | SignInChange | RenewChange;

/** Every kind of change that may rest on a proof, with the rows that it needs. */
export async function shapesOf(fixture: CaseFixture): Promise<Record<string, Proved>> {
  const { store, ada, make, stored } = fixture;
  const device = () => stored.device({ session: { level: "remembered" } });
  const anonymous = sessionRow();
  await done(store.apply({ kind: "create", insert: anonymous }));
  const [confirmed, rotated, replaced] = [await device(), await device(), await device()];
  const held = await stored.login();
  const made = make.login();
  const capped = make.login();
  const raised = { level: "login", secret: digestOf("raised") } as const;
  const cap = { ...CAP, userId: ada, max: 50 };
  const next = make.login({ id: newSiblingId(replaced.session.id) });
  return {
    "a session": { kind: "signIn", insert: make.session() },
    "a login": { kind: "signIn", remember: make.login() },
    both: { kind: "signIn", remember: made, insert: make.session({ rememberedId: made.id }) },
    "a session that was anonymous": {
      kind: "signIn",
      update: { id: anonymous.id, version: 1, set: { ...raised, userId: ada } },
    },
    "a confirmed password": save(confirmed.session, raised),
    "a rotation": {
      kind: "restore",
      rotate: { id: rotated.login.id, generation: 0, set: rotation("next") },
      update: { id: rotated.session.id, version: 1, set: raised },
    },
    "a session for a login": {
      kind: "accept",
      hold: { id: held.id, generation: 0 },
      insert: make.session({ rememberedId: held.id }),
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
      insert: make.session({ rememberedId: capped.id }),
      caps: [cap],
    },
    "a session under a cap": { kind: "signIn", insert: make.session(), caps: [cap] },
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
    await setMark(store, mark);
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
    const { store } = fixture;
    for (const [name, change] of Object.entries(await shapesOf(fixture))) {
      const marks = [newMark().name, newMark().name];
      const result = await store.apply({ ...change, proof: { marks, provedAt: T0 } });
      assert.equal(result.done, true, name);
    }
    await done(store.apply({ kind: "signIn", insert: sessionRow(), proof: { marks: [], provedAt: T0 } }));
  },

  "any of the marks that a proof names outdates it, and no other": async (fixture) => {
    const { store } = fixture;
    const [ours, everyones, others] = [newMark(), newMark(), newMark(T0 + 500)];
    const signIn = (provedAt: number) => signInBy(fixture, { marks: [ours.name, everyones.name], provedAt });
    await setMark(store, others);
    await done(signIn(T0));
    await setMark(store, everyones);
    await conflict("outdated", signIn(T0));
    await done(signIn(T0 + 1));
    await setMark(store, { ...ours, at: T0 + 1 });
    await conflict("outdated", signIn(T0 + 1));
    await done(signIn(T0 + 2));
  },

  "the mark of everyone outdates all that name it as that, whosever they are": async (fixture) => {
    const { store } = fixture;
    const mark = { ...newMark(), ofEveryone: true };
    const signIn = (own: readonly string[], provedAt: number) =>
      signInBy(fixture, { marks: [...own, mark.name], ofEveryone: mark.name, provedAt });
    const users = [[], ...Array.from({ length: 20 }, () => [newMark().name])];
    for (const own of users) await done(signIn(own, T0));
    await setMark(store, mark);
    for (const own of users) {
      await conflict("outdated", signIn(own, T0));
      await done(signIn(own, T0 + 1));
    }
    // A user with a mark of their own is held to both.
    const own = newMark(T0 + 7);
    await setMark(store, own);
    await conflict("outdated", signIn([own.name], T0 + 7));
    await done(signIn([own.name], T0 + 8));
  },

  "other conditions are asked as well": async ({ store, stored }) => {
    const mark = newMark();
    await setMark(store, mark);
    const row = await stored.session();
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

  "a mark is never moved back": async (fixture) => {
    const { store, all } = fixture;
    const mark = newMark(T0 + 100);
    await Promise.all([T0, T0 + 100, T0 + 40].map((at, index) => setMark(pick(all, index), { ...mark, at })));
    await setMark(store, { ...mark, at: T0 + 3, until: T0 + 4 });
    const signIn = (provedAt: number) => signInBy(fixture, newer(mark, provedAt));
    await conflict("outdated", signIn(T0 + 100));
    // Nor is it forgotten earlier.
    await store.prune(T0 + 500, 100);
    await conflict("outdated", signIn(T0 + 100));
    await done(signIn(T0 + 101));
  },

  "a mark is set also where nothing is there to end": async (fixture) => {
    const { store, ada, bob, stored } = fixture;
    const row = await stored.session({ userId: bob });
    for (const selector of [
      { userId: ada },
      { handle: newId() },
      { handle: row.id, userId: ada },
      { everyone: true, except: row.id },
    ]) {
      const mark = newMark();
      assert.deepEqual(await revoke(store, { ...selector, mark, ...ENDING }), []);
      await conflict("outdated", signInBy(fixture, newer(mark, T0)));
      await done(signInBy(fixture, newer(mark, T0 + 1)));
      assert.notEqual(await store.findSession(row.id), undefined);
      await revoke(store, { everyone: true, except: row.id, ...ENDING });
    }
  },

  "a mark ends what its selector means, and spares what it excepts": async ({ store, ada, stored }) => {
    const kept = await stored.session();
    const ended = await stored.session();
    const revoked = await revoke(store, { userId: ada, except: kept.id, mark: newMark(), ...ENDING });
    assert.deepEqual(
      revoked.map(({ sessionId }) => sessionId),
      [ended.id],
    );
    assert.deepEqual(ids(await store.list(ada)), [kept.id]);
  },

  "pruning forgets a mark when its time is over, and no earlier": async (fixture) => {
    const { store, expires } = fixture;
    if (expires) return;
    const [mark, later] = [newMark(), { ...newMark(), until: T0 + 2000 }];
    for (const each of [mark, later]) await setMark(store, each);
    await store.prune(mark.until, 100);
    await conflict("outdated", signInBy(fixture, newer(mark, T0)));
    await store.prune(mark.until + 1, 100);
    await done(signInBy(fixture, newer(mark, T0)));
    await conflict("outdated", signInBy(fixture, newer(later, T0)));
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
