import assert from "node:assert/strict";
import { newId } from "../secrets.ts";
import type { ChangeResult, Rotation, SessionRow, Store } from "../stores/store.ts";
import { digestOf, plain, rememberedRow, sessionRow, T0 } from "./rows.ts";

/** Stores over the same, empty data. `others` stand for further connections or processes, where there are any. */
export interface StoreFixture {
  readonly store: Store;
  readonly others?: readonly Store[];
  close(): Promise<void>;
}

export interface ContractCase {
  readonly name: string;
  run(): Promise<void>;
}

type Body = (store: Store, all: readonly Store[]) => Promise<void>;

const ENDING = { reason: "revoked", at: T0 + 10, pruneAfter: T0 + 20 } as const;

/**
 * The promises of the `Store` interface, as cases for any test runner:
 * `for (const { name, run } of storeContract(open)) test(name, run)`.
 */
export function storeContract(open: () => Promise<StoreFixture>): ContractCase[] {
  return Object.entries(CASES).map(([name, body]) => ({
    name,
    run: async () => {
      const fixture = await open();
      try {
        await body(fixture.store, [fixture.store, ...(fixture.others ?? [])]);
      } finally {
        await fixture.close();
      }
    },
  }));
}

const CASES: Record<string, Body> = {
  "a missing row is undefined, not an error": async (store) => {
    assert.equal(await store.findSession(newId()), undefined);
    assert.equal(await store.findRemembered(newId()), undefined);
    assert.deepEqual(await store.list("nobody"), []);
  },

  "a session comes back as it was stored": async (store) => {
    const row = sessionRow({
      previousSecret: digestOf("before"),
      userId: "ada",
      level: "login",
      authenticatedAt: T0 - 5,
      confirmFrom: T0 + 120_000,
      data: JSON.stringify({ text: "Zoë's “cart” 🛒 \\ \u0000 ' \" ; --", list: [1, null, { a: true }] }),
      userAgent: "Browser/1.0 (X; Y)",
      address: "2001:db8::1",
    });
    await done(store.apply({ insert: row }));
    assert.deepEqual(plain(await store.findSession(row.id)), plain(row));
  },

  "a remembered login comes back with its session": async (store) => {
    const login = rememberedRow({ previous: digestOf("p"), superseded: digestOf("s"), supersededAt: T0 - 1 });
    const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "remembered" });
    await done(store.apply({ remember: login, insert: session }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session }));
  },

  "a login without a session row is found all the same": async (store) => {
    const login = rememberedRow();
    await done(store.apply({ remember: login }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session: undefined }));
  },

  "data of 60 KiB is kept": async (store) => {
    const row = sessionRow({ data: JSON.stringify({ text: "ü".repeat(30_000) }) });
    await done(store.apply({ insert: row }));
    assert.equal((await store.findSession(row.id))?.data, row.data);
  },

  "user ids are compared strictly, and numbers stay numbers": async (store) => {
    const number = sessionRow({ userId: 7, level: "login" });
    const text = sessionRow({ userId: "7", level: "login" });
    await done(store.apply({ insert: number }));
    await done(store.apply({ insert: text }));
    assert.deepEqual(ids(await store.list(7)), [number.id]);
    assert.deepEqual(ids(await store.list("7")), [text.id]);
    assert.equal((await store.findSession(number.id))?.userId, 7);
    assert.equal((await store.findSession(text.id))?.userId, "7");
    assert.deepEqual(await store.list("7 "), []);
  },

  "user ids are case-sensitive": async (store) => {
    await done(store.apply({ insert: sessionRow({ userId: "Ada", level: "login" }) }));
    assert.deepEqual(await store.list("ada"), []);
  },

  "an insert never replaces": async (store) => {
    const row = sessionRow({ data: '{"kept":true}' });
    await done(store.apply({ insert: row }));
    await lost("exists", store.apply({ insert: { ...row, data: "{}" } }));
    assert.equal((await store.findSession(row.id))?.data, row.data);
  },

  "a login has one session row": async (store) => {
    const login = rememberedRow();
    const first = sessionRow({ rememberedId: login.id });
    await done(store.apply({ remember: login, insert: first }));
    await lost("exists", store.apply({ insert: sessionRow({ rememberedId: login.id }) }));
    assert.equal((await store.findRemembered(login.id))?.session?.id, first.id);
  },

  "an update needs the version that it was made from": async (store) => {
    const row = sessionRow();
    await done(store.apply({ insert: row }));
    await done(store.apply({ update: { id: row.id, version: 1, set: { data: '{"n":1}' } } }));
    await lost("stale", store.apply({ update: { id: row.id, version: 1, set: { data: '{"n":2}' } } }));
    const found = await store.findSession(row.id);
    assert.equal(found?.data, '{"n":1}');
    assert.equal(found?.version, 2);
  },

  "an update can set a field to undefined": async (store) => {
    const row = sessionRow({ previousSecret: digestOf("before") });
    await done(store.apply({ insert: row }));
    await done(store.apply({ update: { id: row.id, version: 1, set: { previousSecret: undefined } } }));
    assert.equal((await store.findSession(row.id))?.previousSecret, undefined);
  },

  "an update never brings a row back": async (store) => {
    const row = sessionRow();
    await lost("missing", store.apply({ update: { id: row.id, version: 1, set: { data: '{"back":1}' } } }));
    assert.equal(await store.findSession(row.id), undefined);
  },

  "a rotation needs the generation that it was made from": async (store) => {
    const login = rememberedRow({ confirmedAt: T0 + 1 });
    await done(store.apply({ remember: login }));
    const set = rotation("second");
    await done(store.apply({ rotate: { id: login.id, generation: 0, set } }));
    await lost("rotation", store.apply({ rotate: { id: login.id, generation: 0, set: rotation("third") } }));
    await lost("rotation", store.apply({ rotate: { id: login.id, generation: 2, set: rotation("third") } }));
    await lost("rotation", store.apply({ rotate: { id: newId(), generation: 0, set } }));
    const found = await store.findRemembered(login.id);
    const expected = { ...login, ...set, generation: 1, confirmedAt: undefined };
    assert.deepEqual(plain(found?.login), plain(expected));
  },

  "a revoked login does not rotate": async (store) => {
    const login = rememberedRow();
    await done(store.apply({ remember: login }));
    await store.end({ handle: login.id, ...ENDING });
    for (const generation of [0, 1]) {
      await lost("rotation", store.apply({ rotate: { id: login.id, generation, set: rotation("next") } }));
    }
  },

  "what fails undoes what came before it": async (store) => {
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id });
    await done(store.apply({ remember: login, insert: session }));
    const before = plain(await store.findRemembered(login.id));
    const rotate = { id: login.id, generation: 0, set: rotation("next") };
    const set = { data: '{"half":true}' };
    await lost("missing", store.apply({ rotate, update: { id: newId(), version: 1, set } }));
    await lost("stale", store.apply({ rotate, update: { id: session.id, version: 9, set } }));
    await lost("exists", store.apply({ rotate, insert: sessionRow({ rememberedId: login.id }) }));
    const other = rememberedRow();
    await lost("stale", store.apply({ remember: other, update: { id: session.id, version: 9, set } }));
    assert.deepEqual(plain(await store.findRemembered(login.id)), before);
    assert.equal(await store.findRemembered(other.id), undefined);
  },

  "hold lets a change through only while the login is as it was": async (store) => {
    const login = rememberedRow();
    await done(store.apply({ remember: login }));
    const hold = { id: login.id, generation: 0 };
    await lost("rotation", store.apply({ hold: { ...hold, generation: 1 }, insert: sessionRow() }));
    await done(store.apply({ hold, insert: sessionRow({ rememberedId: login.id }) }));
    await store.end({ handle: login.id, ...ENDING });
    const late = sessionRow({ rememberedId: login.id });
    await lost("rotation", store.apply({ hold, insert: late }));
    assert.equal(await store.findSession(late.id), undefined);
  },

  "a touch moves deadlines and nothing else": async (store) => {
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id, confirmFrom: T0 + 5 });
    await done(store.apply({ remember: login, insert: session }));
    const seen = { lastSeenAt: T0 + 9, idleDeadline: T0 + 99, pruneAfter: T0 + 999 };
    const used = { lastUsedAt: T0 + 9, idleDeadline: T0 + 77, pruneAfter: T0 + 777 };
    await store.touch([
      { sessionId: newId(), ...seen, remembered: undefined },
      { sessionId: session.id, ...seen, remembered: { id: login.id, ...used, confirm: undefined } },
    ]);
    const expected = { login: { ...login, ...used }, session: { ...session, ...seen } };
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain(expected));
    await store.touch([{ sessionId: session.id, ...seen, idleDeadline: undefined, remembered: undefined }]);
    assert.equal((await store.findSession(session.id))?.idleDeadline, seen.idleDeadline);
  },

  "a confirmation takes only on the current token and generation, once": async (store) => {
    const login = rememberedRow({ generation: 3 });
    const session = sessionRow({ rememberedId: login.id, confirmFrom: T0 });
    await done(store.apply({ remember: login, insert: session }));
    const attempt = async (generation: number, token: string, at: number) => {
      const confirm = { generation, token: digestOf(token), at };
      const { lastSeenAt, pruneAfter } = session;
      const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter, confirm };
      await store.touch([
        { sessionId: session.id, lastSeenAt, idleDeadline: undefined, pruneAfter, remembered: use },
      ]);
      const found = await store.findRemembered(login.id);
      return [found?.login.confirmedAt, found?.session?.confirmFrom];
    };
    assert.deepEqual(await attempt(3, "other", T0 + 1), [undefined, T0]);
    assert.deepEqual(await attempt(2, "token", T0 + 2), [undefined, T0]);
    assert.deepEqual(await attempt(3, "token", T0 + 3), [T0 + 3, undefined]);
    assert.deepEqual(await attempt(3, "token", T0 + 4), [T0 + 3, undefined]);
  },

  "a save can confirm as well": async (store) => {
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id, confirmFrom: T0 });
    await done(store.apply({ remember: login, insert: session }));
    const confirm = { generation: 0, token: digestOf("token"), at: T0 + 3 };
    const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter: T0, confirm };
    await done(store.apply({ update: { id: session.id, version: 1, set: { data: '{"a":1}' } }, use }));
    const found = await store.findRemembered(login.id);
    assert.equal(found?.login.confirmedAt, T0 + 3);
    assert.equal(found?.session?.confirmFrom, undefined);
  },

  "ending by either handle ends both, leaves a tombstone, and is final": async (store) => {
    for (const by of ["login", "session"] as const) {
      const login = rememberedRow({ userId: "ada" });
      const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
      await done(store.apply({ remember: login, insert: session }));
      const handle = by === "login" ? login.id : session.id;
      const ended = [{ sessionId: session.id, rememberedId: login.id, userId: "ada" }];
      assert.deepEqual(await store.end({ handle, ...ENDING }), ended);
      assert.equal(await store.findSession(session.id), undefined);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.session, undefined);
      const tombstone = {
        ...login,
        generation: 1,
        revokedAt: T0 + 10,
        revokedReason: "revoked",
        pruneAfter: T0 + 20,
      };
      assert.deepEqual(plain(found?.login), plain(tombstone));
      assert.deepEqual(await store.end({ handle, ...ENDING, reason: "theft" }), []);
      assert.equal((await store.findRemembered(login.id))?.login.revokedReason, "revoked");
    }
  },

  "ending by user spares other users, and the session that is excepted with its login": async (store) => {
    const mine = rememberedRow({ userId: "ada" });
    const kept = sessionRow({ rememberedId: mine.id, userId: "ada", level: "login" });
    const lonely = rememberedRow({ userId: "ada" });
    const plainOne = sessionRow({ userId: "ada", level: "login" });
    const foreign = sessionRow({ userId: "bob", level: "login" });
    await done(store.apply({ remember: mine, insert: kept }));
    await done(store.apply({ remember: lonely, insert: plainOne }));
    await done(store.apply({ insert: foreign }));
    const ended = await store.end({ userId: "ada", except: kept.id, ...ENDING });
    assert.deepEqual(
      new Set(ended.map(({ sessionId, rememberedId }) => rememberedId ?? sessionId)),
      new Set([lonely.id, plainOne.id]),
    );
    assert.equal((await store.findRemembered(mine.id))?.login.revokedAt, undefined);
    assert.notEqual(await store.findSession(kept.id), undefined);
    assert.notEqual(await store.findSession(foreign.id), undefined);
    assert.equal(await store.findSession(plainOne.id), undefined);
    assert.deepEqual(ids(await store.list("ada")), [kept.id]);
  },

  "a handle ends nothing for a user whose device it is not": async (store) => {
    const row = sessionRow({ userId: "ada", level: "login" });
    await done(store.apply({ insert: row }));
    assert.deepEqual(await store.end({ handle: row.id, userId: "bob", ...ENDING }), []);
    assert.notEqual(await store.findSession(row.id), undefined);
  },

  "an ending that selects nothing in particular ends nothing": async (store) => {
    const row = sessionRow({ userId: "ada", level: "login" });
    await done(store.apply({ insert: row }));
    assert.deepEqual(await store.end(ENDING), []);
    assert.notEqual(await store.findSession(row.id), undefined);
  },

  "a change ends another login only by a token that is or was just valid": async (store) => {
    for (const [token, ends] of [
      ["token", true],
      ["previous", true],
      ["superseded", true],
      ["old", false],
    ] as const) {
      const login = rememberedRow({
        previous: digestOf("previous"),
        superseded: digestOf("superseded"),
        supersededAt: T0,
      });
      const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
      await done(store.apply({ remember: login, insert: session }));
      const end = [{ rememberedId: login.id, token: digestOf(token), ...ENDING }];
      const result = await store.apply({ insert: sessionRow(), end });
      assert.equal(result.done && result.ended.length, ends ? 1 : 0, token);
      assert.equal((await store.findRemembered(login.id))?.login.revokedAt !== undefined, ends, token);
      assert.equal((await store.findSession(session.id)) === undefined, ends, token);
    }
  },

  "a sign-in takes the session row along and ends the login that it belonged to": async (store) => {
    const before = rememberedRow();
    const session = sessionRow({ rememberedId: before.id, userId: "ada", level: "remembered" });
    await done(store.apply({ remember: before, insert: session }));
    const next = rememberedRow();
    const set = { rememberedId: next.id, level: "login" as const };
    await done(
      store.apply({
        remember: next,
        update: { id: session.id, version: 1, set },
        end: [{ rememberedId: before.id, ...ENDING, reason: "replaced" }],
      }),
    );
    assert.equal((await store.findRemembered(before.id))?.login.revokedReason, "replaced");
    assert.equal((await store.findRemembered(next.id))?.session?.id, session.id);
  },

  "a list has sessions with their logins, and logins whose session was lost": async (store) => {
    const login = rememberedRow({ userId: 5 });
    const session = sessionRow({ rememberedId: login.id, userId: 5, level: "login" });
    const lonely = rememberedRow({ userId: 5 });
    const revoked = rememberedRow({ userId: 5 });
    await done(store.apply({ remember: login, insert: session }));
    await done(store.apply({ remember: lonely }));
    await done(store.apply({ remember: revoked }));
    await store.end({ handle: revoked.id, ...ENDING });
    const entries = await store.list(5);
    assert.equal(entries.length, 2);
    assert.deepEqual(plain(entries.find((entry) => entry.session !== undefined)), plain({ session, login }));
    assert.deepEqual(
      plain(entries.find((entry) => entry.session === undefined)),
      plain({ session: undefined, login: lonely }),
    );
  },

  "pruning deletes what is past its time, at most so much at once": async (store) => {
    for (let index = 0; index < 5; index++) {
      await done(store.apply({ insert: sessionRow({ pruneAfter: T0 - 1 }) }));
      await done(store.apply({ remember: rememberedRow({ pruneAfter: T0 - 1 }) }));
    }
    const kept = sessionRow({ pruneAfter: T0 });
    await done(store.apply({ insert: kept }));
    assert.deepEqual(await store.prune(T0, 3), { sessions: 3, logins: 3 });
    assert.deepEqual(await store.prune(T0, 3), { sessions: 2, logins: 2 });
    assert.deepEqual(await store.prune(T0, 3), { sessions: 0, logins: 0 });
    assert.notEqual(await store.findSession(kept.id), undefined);
  },

  "one caller per interval prunes": async (_, all) => {
    const claim = async (now: number) => {
      const claims = await Promise.all(
        Array.from({ length: 8 }, (_, i) => pick(all, i).claimPrune(now, 1000)),
      );
      return claims.filter(Boolean).length;
    };
    assert.equal(await claim(T0), 1);
    assert.equal(await claim(T0 + 999), 0);
    assert.equal(await claim(T0 + 1000), 1);
    assert.equal(await claim(T0 - 3000), 1, "a clock that had been ahead does not block pruning");
  },

  "of parallel rotations one wins, and its session with it": async (store, all) => {
    const login = rememberedRow();
    const session = sessionRow({ rememberedId: login.id });
    await done(store.apply({ remember: login, insert: session }));
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        pick(all, index).apply({
          rotate: { id: login.id, generation: 0, set: rotation(`next ${index}`) },
          update: { id: session.id, version: 1, set: { secret: digestOf(`secret ${index}`) } },
        }),
      ),
    );
    const winners = results.flatMap((result, index) => (result.done ? [index] : []));
    assert.equal(winners.length, 1);
    const found = await store.findRemembered(login.id);
    assert.equal(found?.login.generation, 1);
    assert.deepEqual(plain(found?.login.token), plain(digestOf(`next ${winners[0]}`)));
    assert.deepEqual(plain(found?.session?.secret), plain(digestOf(`secret ${winners[0]}`)));
  },

  "of parallel saves of one version one wins": async (store, all) => {
    const row = sessionRow();
    await done(store.apply({ insert: row }));
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        pick(all, index).apply({ update: { id: row.id, version: 1, set: { data: `{"n":${index}}` } } }),
      ),
    );
    assert.equal(results.filter((result) => result.done).length, 1);
    assert.equal((await store.findSession(row.id))?.version, 2);
  },

  "two hundred counted saves that try again lose none": async (store, all) => {
    const row = sessionRow({ data: '{"n":0}' });
    await done(store.apply({ insert: row }));
    const increment = async (from: Store): Promise<void> => {
      while (true) {
        const found = (await from.findSession(row.id)) as SessionRow;
        const data = JSON.stringify({ n: JSON.parse(found.data).n + 1 });
        if ((await from.apply({ update: { id: row.id, version: found.version, set: { data } } })).done)
          return;
      }
    };
    await Promise.all(Array.from({ length: 200 }, (_, index) => increment(pick(all, index))));
    assert.equal((await store.findSession(row.id))?.data, '{"n":200}');
  },

  "of parallel inserts of a login's session one wins": async (store, all) => {
    const login = rememberedRow();
    await done(store.apply({ remember: login }));
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        pick(all, index).apply({
          hold: { id: login.id, generation: 0 },
          insert: sessionRow({ rememberedId: login.id }),
        }),
      ),
    );
    assert.equal(results.filter((result) => result.done).length, 1);
  },

  "a revocation wins against rotations, saves and touches in flight": async (store, all) => {
    for (let round = 0; round < 10; round++) {
      const login = rememberedRow();
      const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
      await done(store.apply({ remember: login, insert: session }));
      const { lastSeenAt, pruneAfter } = session;
      const use = { id: login.id, lastUsedAt: T0, idleDeadline: T0, pruneAfter, confirm: undefined };
      await Promise.all([
        pick(all, 0).apply({
          rotate: { id: login.id, generation: 0, set: rotation("next") },
          update: { id: session.id, version: 1, set: { secret: digestOf("next") } },
        }),
        pick(all, 1).end({ handle: login.id, ...ENDING }),
        pick(all, 2).apply({ update: { id: session.id, version: 1, set: { data: '{"late":1}' } } }),
        pick(all, 3).touch([
          { sessionId: session.id, lastSeenAt, idleDeadline: T0, pruneAfter, remembered: use },
        ]),
      ]);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.login.revokedAt, T0 + 10);
      assert.equal(found?.login.pruneAfter, T0 + 20, "a use does not prolong a tombstone");
      assert.equal(await store.findSession(session.id), undefined);
    }
  },
};

async function done(result: Promise<ChangeResult>): Promise<void> {
  assert.deepEqual({ done: (await result).done }, { done: true });
}

async function lost(why: string, result: Promise<ChangeResult>): Promise<void> {
  const { done, ...rest } = await result;
  assert.deepEqual({ done, ...rest }, { done: false, lost: why });
}

function rotation(token: string): Rotation {
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

function ids(entries: Awaited<ReturnType<Store["list"]>>): (string | undefined)[] {
  return entries.map(({ session, login }) => session?.id ?? login?.id);
}

function pick(stores: readonly Store[], index: number): Store {
  const store = stores[index % stores.length];
  if (store === undefined) throw new Error("a fixture has at least one store");
  return store;
}
