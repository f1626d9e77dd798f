import assert from "node:assert/strict";
import { newId, newSiblingId } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import { listed } from "../../stores/devices.ts";
import type { Change, Ended } from "../../stores/store.ts";
import { digestOf, plain, sessionRow, T0 } from "../rows.ts";
import {
  assertEnds,
  CAP,
  type Cases,
  done,
  ENDING,
  endedAs,
  endedBy,
  handleOfEnded,
  ids,
  pick,
} from "./fixture.ts";

const byHandle = (ended: readonly Ended[]) => new Map(ended.map((device) => [handleOfEnded(device), device]));

export const ending: Cases = {
  "ending by either handle ends both, leaves a tombstone, and is final": async ({ store, stored }) => {
    for (const by of ["login", "session"] as const) {
      const device = await stored.device();
      const { login, session } = device;
      const handle = by === "login" ? login.id : session.id;
      assert.deepEqual(await revoke(store, { handle, ...ENDING }), [endedAs(device)]);
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
      assert.deepEqual(await revoke(store, { handle, ...ENDING, reason: "theft" }), []);
      assert.equal((await store.findRemembered(login.id))?.login.revokedReason, "revoked");
    }
  },

  "ending by user spares other users, and the session that is excepted with its login": async ({
    store,
    ada,
    bob,
    stored,
  }) => {
    const { login: mine, session: kept } = await stored.device();
    const lonely = await stored.login();
    const plainOne = await stored.session();
    const foreign = await stored.session({ userId: bob });
    const bystander = await stored.login({ userId: bob });
    assert.deepEqual(
      await revoke(store, { userId: bob, except: bystander.id, ...ENDING, handle: bystander.id }),
      [],
    );
    const ended = await revoke(store, { userId: ada, except: kept.id, ...ENDING });
    assert.deepEqual(new Set(ended.map(handleOfEnded)), new Set([lonely.id, plainOne.id]));
    assert.equal((await store.findRemembered(mine.id))?.login.revokedAt, undefined);
    assert.notEqual(await store.findSession(kept.id), undefined);
    assert.notEqual(await store.findSession(foreign.id), undefined);
    assert.equal(await store.findSession(plainOne.id), undefined);
    assert.deepEqual(ids(await store.list(ada)), [kept.id]);
  },

  "a handle ends nothing for a user whose device it is not": async ({ store, bob, stored }) => {
    const row = await stored.session();
    assert.deepEqual(await revoke(store, { handle: row.id, userId: bob, ...ENDING }), []);
    assert.notEqual(await store.findSession(row.id), undefined);
  },

  "an ending that selects nothing in particular ends nothing": async ({ store, stored }) => {
    const row = await stored.session();
    assert.deepEqual(await revoke(store, ENDING), []);
    assert.notEqual(await store.findSession(row.id), undefined);
  },

  "a change ends another login only by a token that is or was just valid": async ({ store, stored }) => {
    for (const [token, ends] of [
      ["token", true],
      ["previous", true],
      ["superseded", true],
      ["old", false],
    ] as const) {
      const device = await stored.device({
        login: { previous: digestOf("previous"), superseded: digestOf("superseded"), supersededAt: T0 },
      });
      const end = [{ login: { id: device.login.id, token: digestOf(token) }, ...ENDING }];
      const result = await store.apply({ kind: "signIn", insert: sessionRow(), end });
      assert.equal(result.done && result.ended.length, ends ? 1 : 0, token);
      await assertEnds(store, device, ends, token);
    }
  },

  "a sign-in ends another login of its user, whatever the token": async ({
    store,
    ada,
    bob,
    make,
    stored,
  }) => {
    for (const [owner, token, ends] of [
      [ada, "old", true],
      [bob, "old", false],
      [bob, "token", true],
    ] as const) {
      const device = await stored.device();
      const end = [{ login: { id: device.login.id, token: digestOf(token), orOfUser: owner }, ...ENDING }];
      const insert = make.session({ userId: owner });
      const result = await store.apply({ kind: "signIn", insert, end });
      assert.equal(result.done && result.ended.length, ends ? 1 : 0, `${String(owner)} ${token}`);
      await assertEnds(store, device, ends);
    }
  },

  "a change ends a session only while it is the user's that it was": async ({ store, ada, bob, stored }) => {
    const row = await stored.session({ userId: bob });
    for (const [userId, ends] of [
      [null, false],
      [ada, false],
      [bob, true],
    ] as const) {
      const end = [{ session: { id: row.id, userId }, ...ENDING }];
      const result = await store.apply({ kind: "end", end });
      assert.equal(result.done && result.ended.length, ends ? 1 : 0, String(userId));
      assert.equal((await store.findSession(row.id)) === undefined, ends, String(userId));
    }
  },

  "a change that ends a session ends its login, and one that ends a login its session": async ({
    store,
    ada,
    stored,
  }) => {
    for (const by of ["session", "login"] as const) {
      const device = await stored.device();
      const { login, session } = device;
      const ending =
        by === "session" ? { session: { id: session.id, userId: ada } } : { login: { id: login.id } };
      const end = [{ ...ending, ...ENDING }];
      assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [endedAs(device)] });
      assert.equal(await store.findSession(session.id), undefined, by);
      const found = await store.findRemembered(login.id);
      assert.equal(found?.login.revokedReason, ENDING.reason, by);
      assert.equal(found?.login.generation, 1, by);
      assert.equal(found?.login.pruneAfter, ENDING.pruneAfter, by);
      assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [] });
    }
    const anonymous = sessionRow();
    await done(store.apply({ kind: "create", insert: anonymous }));
    const end = [{ session: { id: anonymous.id, userId: null }, ...ENDING }];
    await done(store.apply({ kind: "end", end }));
    assert.equal(await store.findSession(anonymous.id), undefined);
  },

  "an ending of a session and of another device's login ends both, each on its own conditions": async ({
    store,
    ada,
    bob,
    stored,
  }) => {
    for (const [userId, token, endsFirst, endsSecond] of [
      [ada, "token", true, true],
      [ada, "old", true, false],
      [bob, "token", false, true],
      [null, "old", false, false],
    ] as const) {
      const [first, second] = [await stored.device(), await stored.device()];
      const ending = {
        session: { id: first.session.id, userId },
        login: { id: second.login.id, token: digestOf(token) },
      };
      const result = await store.apply({ kind: "end", end: [{ ...ending, ...ENDING }] });
      const message = `${String(userId)}, ${token}`;
      const expected = [...(endsFirst ? [endedAs(first)] : []), ...(endsSecond ? [endedAs(second)] : [])];
      assert.deepEqual(byHandle(endedBy(result)), byHandle(expected), message);
      await assertEnds(store, first, endsFirst, message);
      await assertEnds(store, second, endsSecond, message);
    }
    // Of one device: a login that ends takes its session along, whatever the ending says of that.
    const device = await stored.device();
    const { login, session } = device;
    const end = [{ session: { id: session.id, userId: bob }, login: { id: login.id }, ...ENDING }];
    assert.deepEqual(await store.apply({ kind: "end", end }), { done: true, ended: [endedAs(device)] });
    assert.equal(await store.findSession(session.id), undefined);
  },

  "an ending spares what the change has written, with its login, and reports none of it": async ({
    store,
    ada,
    make,
  }) => {
    const nothing = { done: true, ended: [] };
    const login = make.login();
    const session = make.session({ rememberedId: login.id });
    const end = [
      { session: { id: session.id, userId: ada }, ...ENDING },
      { login: { id: login.id }, ...ENDING },
      { session: { id: session.id, userId: ada }, login: { id: login.id }, ...ENDING },
    ];
    assert.deepEqual(await store.apply({ kind: "signIn", remember: login, insert: session, end }), nothing);
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain({ login, session }));
    for (const [index, ending] of end.entries()) {
      const update = { id: session.id, version: index + 1, set: { data: `${index}` } };
      assert.deepEqual(
        await store.apply({ kind: "signIn", update, end: [ending] }),
        nothing,
        `ending ${index}`,
      );
    }
    const expected = { login, session: { ...session, data: "2", version: 4 } };
    assert.deepEqual(plain(await store.findRemembered(login.id)), plain(expected));
    // A login without a session, that is new.
    const lonely = make.login();
    const ending = { login: { id: lonely.id }, ...ENDING };
    assert.deepEqual(await store.apply({ kind: "signIn", remember: lonely, end: [ending] }), nothing);
    assert.equal((await store.findRemembered(lonely.id))?.login.revokedAt, undefined);
    // The login that the session has left is not spared, and ends without it.
    const next = make.login({ id: newSiblingId(session.id) });
    const moved: Change = {
      kind: "signIn",
      remember: next,
      update: { id: session.id, version: 4, set: { rememberedId: next.id } },
      end: [{ session: { id: session.id, userId: ada }, login: { id: login.id }, ...ENDING }],
    };
    assert.deepEqual(await store.apply(moved), {
      done: true,
      ended: [{ sessionId: undefined, rememberedId: login.id, userId: ada, reason: ENDING.reason }],
    });
    assert.equal((await store.findRemembered(next.id))?.session?.id, session.id);
  },

  "of several endings each has its own reason, moment and time to be pruned": async ({
    store,
    make,
    stored,
  }) => {
    const logins = [await stored.login(), await stored.login(), await stored.login()];
    const end = logins.map(({ id }, index) => ({
      login: { id },
      reason: `reason ${index}`,
      at: T0 + 10 + index,
      pruneAfter: T0 + 20 + index,
    }));
    const result = await store.apply({ kind: "signIn", insert: make.session(), end });
    assert.deepEqual(
      new Map(endedBy(result).map((one) => [one.rememberedId, one.reason])),
      new Map(logins.map(({ id }, index) => [id, `reason ${index}`])),
    );
    for (const [index, { id }] of logins.entries()) {
      const { revokedAt, revokedReason, pruneAfter } = (await store.findRemembered(id))?.login ?? {};
      assert.deepEqual(
        [revokedAt, revokedReason, pruneAfter],
        [T0 + 10 + index, `reason ${index}`, T0 + 20 + index],
      );
    }
  },

  "a handle ends a device whosever it is, where no user is named": async ({ store, make, stored }) => {
    for (const row of [sessionRow(), make.session()]) {
      await stored.session(row);
      assert.equal((await revoke(store, { handle: row.id, ...ENDING })).length, 1);
      assert.equal(await store.findSession(row.id), undefined);
    }
  },

  "a sign-in takes the session row along and ends the login that it belonged to": async ({
    store,
    make,
    stored,
  }) => {
    const { login: before, session } = await stored.device({ session: { level: "remembered" } });
    const next = make.login({ id: newSiblingId(session.id) });
    const set = { rememberedId: next.id, level: "login" as const };
    await done(
      store.apply({
        kind: "signIn",
        remember: next,
        update: { id: session.id, version: 1, set },
        end: [{ login: { id: before.id }, ...ENDING, reason: "replaced" }],
      }),
    );
    const left = await store.findRemembered(before.id);
    assert.deepEqual([left?.login.revokedReason, left?.session], ["replaced", undefined]);
    assert.equal((await store.findRemembered(next.id))?.session?.id, session.id);
    // The tombstone leads nowhere any more, and the new login to the session.
    assert.deepEqual(await revoke(store, { handle: before.id, ...ENDING }), []);
    assert.equal((await revoke(store, { handle: next.id, ...ENDING }))[0]?.sessionId, session.id);
  },

  "what ends is reported as trust in a browser where it was that: by user, by handle, in a change, with everyone":
    async ({ store, ada, stored }) => {
      const ways: ((id: string) => Promise<readonly Ended[]>)[] = [
        () => revoke(store, { userId: ada, ...ENDING }),
        (handle) => revoke(store, { handle, ...ENDING }),
        async (id) =>
          endedBy(await store.apply({ kind: "end", end: [{ session: { id, userId: ada }, ...ENDING }] })),
        () => revoke(store, { everyone: true, ...ENDING }),
      ];
      for (const end of ways) {
        const trust = await stored.session({ level: "trust" });
        const device = await stored.device();
        const ended = [...(await end(trust.id)), ...(await revoke(store, { userId: ada, ...ENDING }))];
        assert.deepEqual(
          byHandle(ended),
          byHandle([
            {
              sessionId: trust.id,
              rememberedId: undefined,
              userId: ada,
              reason: ENDING.reason,
              isRecord: true,
            },
            endedAs(device),
          ]),
        );
      }
    },

  "ending by user spares the login that is excepted, with its session": async ({ store, ada, stored }) => {
    const kept = await stored.device();
    const other = await stored.session();
    const ended = await revoke(store, { userId: ada, except: kept.login.id, ...ENDING });
    assert.deepEqual(
      ended.map(({ sessionId }) => sessionId),
      [other.id],
    );
    assert.deepEqual(plain(await store.list(ada)), plain([listed(kept)]));
  },

  "what has ended says what lists called it, whether its session or its login has that": async ({
    store,
    ada,
    make,
    stored,
  }) => {
    const handles = [newId(), newId(), newId(), newId()];
    const [ofBoth, ofLogin, ofSession, evicted] = handles;
    await stored.device({ login: { handle: ofBoth }, session: { handle: ofBoth } });
    await stored.login({ handle: ofLogin });
    await stored.session({ handle: ofSession });
    const ended = await revoke(store, { userId: ada, ...ENDING });
    assert.deepEqual(new Set(ended.map(({ handle }) => handle)), new Set([ofBoth, ofLogin, ofSession]));
    await stored.device({ login: { handle: evicted }, session: { handle: evicted } });
    const capped = { insert: make.session(), caps: [{ ...CAP, userId: ada, max: 1 }] };
    const result = await store.apply({ kind: "signIn", ...capped });
    assert.deepEqual(
      endedBy(result).map(({ handle }) => handle),
      [evicted],
    );
  },

  "ending everyone ends all devices, anonymous sessions too, but for the one that is excepted": async ({
    store,
    ada,
    bob,
    stored,
  }) => {
    for (const by of ["session", "login"] as const) {
      const { login: mine, session: kept } = await stored.device();
      const theirs = await stored.device({ login: { userId: bob } });
      const lonely = await stored.login();
      const plainOne = await stored.session();
      const anonymous = await stored.anonymous();
      const everyone = { everyone: true, except: by === "session" ? kept.id : mine.id, ...ENDING };
      const devices = await revoke(store, everyone);
      assert.deepEqual(
        byHandle(devices),
        byHandle([
          endedAs(theirs),
          { sessionId: undefined, rememberedId: lonely.id, userId: ada, reason: ENDING.reason },
          { sessionId: plainOne.id, rememberedId: undefined, userId: ada, reason: ENDING.reason },
          { sessionId: anonymous.id, rememberedId: undefined, userId: undefined, reason: ENDING.reason },
        ]),
      );
      assert.equal((await store.findRemembered(lonely.id))?.login.revokedReason, ENDING.reason);
      assert.equal((await store.findRemembered(theirs.login.id))?.login.generation, 1);
      assert.equal(await store.findSession(anonymous.id), undefined);
      assert.deepEqual(ids(await store.list(ada)), [kept.id]);
      assert.deepEqual(await revoke(store, everyone), []);
      // Where a user is named as well, only theirs are meant.
      assert.deepEqual(await revoke(store, { everyone: true, userId: bob, ...ENDING }), []);
      await revoke(store, { everyone: true, ...ENDING });
    }
  },

  "ending everyone goes on where one statement would be too much": async ({ store, all, ada, make }) => {
    const devices = Array.from({ length: 600 }, (_, index) => {
      const login = index % 2 === 0 ? make.login() : undefined;
      const insert = make.session({ rememberedId: login?.id });
      return { kind: "signIn" as const, remember: login, insert };
    });
    for (let at = 0; at < devices.length; at += 50)
      await Promise.all(
        devices.slice(at, at + 50).map((device, index) => done(pick(all, index).apply(device))),
      );
    const ended = await revoke(store, { everyone: true, ...ENDING });
    assert.equal(new Set(ended.map(({ sessionId }) => sessionId)).size, 600);
    assert.equal(ended.filter(({ rememberedId }) => rememberedId !== undefined).length, 300);
    assert.deepEqual(await store.list(ada), []);
  },
};
