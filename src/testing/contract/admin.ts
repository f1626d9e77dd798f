import assert from "node:assert/strict";
import { newSiblingId, shardKeyOf } from "../../protocol/secrets.ts";
import { revoke } from "../../stores/changes.ts";
import type { Store, UserEntry } from "../../stores/store.ts";
import { claimPrune } from "../../upkeep/prune.ts";
import { sessionRow, T0 } from "../rows.ts";
import { type Cases, done, ENDING, pick } from "./fixture.ts";

/** More than any case has rows, and pages that a store of many parts may leave empty. */
const MOST_PAGES = 1000;

/** Browses to the end; `between` is done after the first page. */
async function browsed(
  { admin }: Store,
  limit: number,
  between: () => Promise<unknown> = async () => {},
): Promise<UserEntry[]> {
  const entries: UserEntry[] = [];
  let after: string | undefined;
  let pages = 0;
  const positions = new Set<string>();
  do {
    const page = await admin?.browse({ after, limit });
    assert.ok(page !== undefined);
    const tags = new Set(page.entries.map((entry) => shardKeyOf(handleOf(entry))));
    assert.ok(
      page.entries.length <= limit || tags.size === 1,
      "only one tag may be more than a page's limit",
    );
    entries.push(...page.entries);
    after = page.next;
    // A store that loses its place would be asked for ever.
    assert.ok(after === undefined || !positions.has(after), "no page begins where another one did");
    assert.ok(pages < MOST_PAGES, "browsing comes to an end");
    if (after !== undefined) positions.add(after);
    if (pages++ === 0) await between();
  } while (after !== undefined);
  return entries;
}

const handleOf = ({ session, login }: UserEntry): string => login?.id ?? session?.id ?? "";

/** What administration asks, of stores that answer. */
export const admin: Cases = {
  "browsing gives every device once, whatever the size of pages": async ({ store, bob, stored }) => {
    if (store.admin === undefined) return;
    assert.deepEqual(await store.admin.browse({ limit: 10 }), { entries: [], next: undefined });
    const expected: string[] = [];
    for (let index = 0; index < 6; index++) {
      const { login } = await stored.device({ session: { data: '{"n":1}' } });
      const lonely = await stored.login({ userId: bob });
      const revoked = await stored.login();
      const anonymous = sessionRow();
      await done(store.apply({ kind: "create", insert: anonymous }));
      await revoke(store, { handle: revoked.id, ...ENDING });
      expected.push(login.id, lonely.id, anonymous.id);
    }
    for (const limit of [1, 2, 7, 18, 100]) {
      const entries = await browsed(store, limit);
      assert.deepEqual(entries.map(handleOf).sort(), expected.toSorted(), `pages of ${limit}`);
      assert.equal(entries.filter(({ session, login }) => session && login).length, 6);
      assert.ok(
        entries.every(({ session }) => session?.rememberedId === undefined || session.data === '{"n":1}'),
      );
    }
  },

  "browsing gives what stays exactly once, although rows come and go between pages": async ({
    store,
    all,
    make,
    stored,
  }) => {
    if (store.admin === undefined) return;
    const kept = Array.from({ length: 30 }, () => make.login());
    const passing = Array.from({ length: 30 }, () => make.session());
    for (const login of kept) await stored.login(login);
    for (const row of passing) await stored.session(row);
    const entries = await browsed(store, 7, async () => {
      // Logins get their session, as restores give them one, others end, and new ones are made.
      for (const [index, login] of kept.entries()) {
        const insert = make.session({ rememberedId: login.id, level: "remembered" });
        if (index % 2 === 0) await done(pick(all, index).apply({ kind: "signIn", insert }));
      }
      for (const { id } of passing) await revoke(pick(all, 1), { handle: id, ...ENDING });
      for (let index = 0; index < 20; index++)
        await done(pick(all, 2).apply({ kind: "create", insert: sessionRow() }));
    });
    const handles = entries.map(handleOf);
    assert.equal(new Set(handles).size, handles.length, "nothing comes twice");
    const seen = new Set(handles);
    assert.deepEqual(
      kept.filter(({ id }) => !seen.has(id)),
      [],
    );
  },

  "browsing gives what lies together once as well, and no page is larger for anything else": async ({
    store,
    stored,
  }) => {
    if (store.admin === undefined) return;
    const expected: string[] = [];
    for (let group = 0; group < 3; group++) {
      const { login: first } = await stored.device();
      const second = await stored.device({ login: { id: newSiblingId(first.id) } });
      const third = await stored.device({ login: { id: newSiblingId(first.id) } });
      expected.push(first.id, second.login.id, third.login.id);
    }
    for (const limit of [1, 2, 3, 5, 20]) {
      const entries = await browsed(store, limit);
      assert.deepEqual(entries.map(handleOf).sort(), expected.toSorted(), `pages of ${limit}`);
    }
  },

  "a store reports its clock, version, rows, and when they were pruned": async ({
    store,
    expires,
    stored,
  }) => {
    if (store.admin === undefined) return;
    await stored.device();
    await done(store.apply({ kind: "create", insert: sessionRow() }));
    assert.equal((await store.admin.inspect()).prunedAt, undefined);
    await claimPrune(store, T0, 1000);
    // Refused: nothing was pruned by that.
    await claimPrune(store, T0 + 1, 1000);
    const { now, version, tables, prunedAt, faults } = await store.admin.inspect();
    assert.ok(Number.isInteger(now) && Math.abs(now - Date.now()) < 86_400_000, `now is ${now}`);
    assert.notEqual(version, "");
    assert.deepEqual(
      tables.slice(0, 2).map(({ rows }) => rows),
      [2, 1],
    );
    assert.equal(prunedAt, expires ? undefined : T0);
    assert.deepEqual(faults, []);
  },
};
