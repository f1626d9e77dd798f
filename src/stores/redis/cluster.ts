import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { shardKeyOf } from "../../protocol/secrets.ts";
import { excessOf, listed } from "../devices.ts";
import { endsDevice } from "../endings.ts";
import type {
  Cap,
  ChangeParts,
  ChangeResult,
  Ended,
  Ending,
  EndSelector,
  ListedEntry,
  Proof,
  SessionRow,
  UserId,
} from "../store.ts";
import { Turns } from "../turns.ts";
import {
  decodeEnded,
  decodeListing,
  encodeChange,
  encodeOrder,
  idsOf,
  type Listing,
  type Missing,
  rowKeys,
} from "./changes.ts";
import { endByHandle } from "./handle.ts";
import { withIndexes, writeIndex } from "./indexes.ts";
import { isHandle, othersIndex, partsOf, tagIndex, userIndex } from "./keys.ts";
import { scripts } from "./lua/index.ts";
import { isOutdated } from "./marks.ts";
import { insertPlain } from "./plain.ts";
import { withTagIndex, withUserIndex } from "./remake.ts";
import { numberOf, textsOf, wordOf } from "./replies.ts";
import { decodeUser, encodeUser, hasDeadlines, horizonOf, tombstone } from "./rows.ts";
import type { Server } from "./server.ts";
import { perSlot } from "./slots.ts";
import type { Writer } from "./writer.ts";

/** From so many handles on, every so often, a look at some of them: as many for each that is added as on a single server. */
const SWEEP_FROM = 32;
const SWEEP_EVERY = 16;
const SWEEP = 64;

/** How long the tombstone of a login stays that ended because its proof came too late. */
const TOMBSTONE = 86_400_000;

/**
 * A cluster: a script reaches one slot, which holds a session and its login, or one user's index. What spans slots
 * is done in an order in which a crash in between signs out rather than in: an index is written before its row,
 * and a login in another slot ends before the rest of a change is done.
 */
export class ClusterWriter implements Writer {
  readonly #server: Server;
  readonly #turns = new Turns();
  readonly #lockTime: number;

  constructor(server: Server, timeout: number) {
    this.#server = server;
    // Longer than one call can take, and its last command on the way.
    this.#lockTime = 2 * timeout;
  }

  insert(row: SessionRow, proof: Proof | undefined, deadline: number): Promise<ChangeResult> {
    const { userId } = row;
    return this.#proved({ insert: row, proof }, deadline, async () => {
      if (userId !== undefined) await this.#indexAll(foreseen({ insert: row }), deadline);
      return insertPlain(this.#server, row, deadline);
    });
  }

  apply(change: ChangeParts, deadline: number): Promise<ChangeResult> {
    return this.#proved(change, deadline, () => this.#applyUnproved(change, deadline));
  }

  /**
   * Marks lie in other slots. An end writes its mark, then looks for rows; a change writes its rows, then looks for marks,
   * so one of the two sees the other. A row that was made too late is ended before its cookie is sent, and a crash in
   * between leaves a row whose secret no client has. Looking first as well spares what such a change would end.
   */
  async #proved(
    { proof, insert, update, remember, rotate, hold }: ChangeParts,
    deadline: number,
    apply: () => Promise<ChangeResult>,
  ): Promise<ChangeResult> {
    if (proof === undefined) return apply();
    const outdated = { done: false, conflict: "outdated" } as const;
    if (await isOutdated(this.#server, proof, deadline)) return outdated;
    const result = await apply();
    if (!result.done || !(await isOutdated(this.#server, proof, deadline))) return result;
    const made = [insert, update, remember, rotate, hold].find((part) => part !== undefined);
    if (made !== undefined) {
      const pruneAfter = remember?.pruneAfter ?? insert?.pruneAfter ?? proof.provedAt + TOMBSTONE;
      const ending = { reason: "outdated", at: proof.provedAt, pruneAfter };
      await this.end({ handle: made.id, ...ending });
      await this.#forget({ insert, update, remember }, deadline);
    }
    return outdated;
  }

  /** A row; or the name of a tag, while no other device has that: its index comes before the name. */
  async #isIdle(index: string, handle: string, deadline: number): Promise<boolean> {
    if (!handle.startsWith("t:")) return true;
    const key = this.#server.keys.index(tagIndex(partsOf(index).user, handle.slice(2)));
    return numberOf(await this.#server.send(key, ["ZCARD", key], deadline)) === 0;
  }

  /** No client has the secrets of rows that were made too late. They name a user who may be erased, as indexes do. */
  async #forget(made: ChangeParts, deadline: number): Promise<void> {
    const { keys } = this.#server;
    const { remember } = made;
    if (remember !== undefined) {
      const key = keys.login(remember.id);
      await this.#server.send(key, ["DEL", key], deadline);
    }
    for (const { index, handles } of foreseen(made)) {
      const key = keys.index(index);
      const gone: string[] = [];
      for (const handle of handles) if (await this.#isIdle(index, handle, deadline)) gone.push(handle);
      if (gone.length > 0) await this.#server.send(key, ["ZREM", key, ...gone], deadline);
    }
  }

  #applyUnproved(change: ChangeParts, deadline: number): Promise<ChangeResult> {
    const { caps = [] } = change;
    const [first] = caps;
    if (first === undefined) return this.#apply(change, deadline);
    const user = encodeUser(first.userId);
    return this.#turns.take(user, () => this.#applyCapped(change, first.userId, caps, deadline));
  }

  end(selector: EndSelector): Promise<Ended[]> {
    const { handle, userId } = selector;
    if (handle !== undefined) return endByHandle(this.#server, handle, selector);
    const user = userId === undefined ? "" : encodeUser(userId);
    return withUserIndex(this.#server, user, async () => {
      const deadline = this.#server.deadline();
      const handles = await this.#handles(userIndex(user), deadline);
      return this.#endSome([...handles.keys()], encodeOrder(selector), deadline);
    });
  }

  async #endSome(handles: readonly string[], order: string, deadline: number): Promise<Ended[]> {
    const replies = await perSlot(this.#server, handles, (key, ofSlot) =>
      this.#server.run(scripts.end, [key], [order, ...ofSlot], deadline),
    );
    return replies.flatMap((reply) => decodeEnded(textsOf(reply)));
  }

  list(userId: UserId): Promise<ListedEntry[]> {
    const user = encodeUser(userId);
    return withUserIndex(this.#server, user, () =>
      this.#listOf(user, userIndex(user), this.#server.deadline()),
    );
  }

  async #listOf(user: string, index: string, deadline: number): Promise<ListedEntry[]> {
    return this.#look(user, index, await this.#handles(index, deadline), deadline);
  }

  /** The devices that these handles lead to; those that lead to none are taken out of the index. */
  async #look(
    user: string,
    index: string,
    handles: ReadonlyMap<string, string>,
    deadline: number,
  ): Promise<ListedEntry[]> {
    const replies = await perSlot(this.#server, [...handles.keys()], (key, ofSlot) =>
      this.#server.run(scripts.list, [key], [user, ...ofSlot], deadline),
    );
    const userId = decodeUser(user);
    const listings = replies.map((reply) => decodeListing(reply, userId));
    const stale = listings.flatMap((listing) =>
      listing.stale.flatMap((handle) => [handle, handles.get(handle) ?? ""]),
    );
    // Tidying up is no part of the answer.
    if (stale.length > 0) await this.#forgetStale(user, index, stale, listings, deadline).catch(() => {});
    return listings.flatMap(({ entries }) => entries.map(listed));
  }

  /** What leads to a tombstone first goes to where an erasure finds it: lists and caps have no use for it. */
  async #forgetStale(
    user: string,
    index: string,
    stale: readonly string[],
    listings: readonly Listing[],
    deadline: number,
  ): Promise<void> {
    const tombstones = listings.flatMap((listing) => [...listing.tombstones]);
    if (index === userIndex(user) && tombstones.length > 0) {
      const until = Math.max(...tombstones.map(([, last]) => last));
      const handles = tombstones.map(([handle]) => handle);
      await this.#index({ index: othersIndex(user), deadline: until, handles }, deadline);
    }
    const key = this.#server.keys.index(index);
    await this.#server.run(scripts.forget, [key], stale, deadline);
  }

  async #apply(change: ChangeParts, deadline: number): Promise<ChangeResult> {
    const { sessions, logins } = idsOf(change);
    const [main] = [...sessions, ...logins];
    const own: Ending[] = [];
    const foreign = new Map<string, Ending[]>();
    for (const ending of (change.end ?? []).flatMap(bySlot)) {
      const tag = shardKeyOf((ending.session ?? ending.login)?.id ?? "");
      if (main !== undefined && tag === shardKeyOf(main)) own.push(ending);
      else foreign.set(tag, [...(foreign.get(tag) ?? []), ending]);
    }
    // First, and whatever becomes of the rest: if the rest fails, or this process dies, the browser is signed out
    // that sent the cookie. The other way round a login that was to be replaced could live on.
    const ended: Ended[] = [];
    for (const end of foreign.values()) {
      const result = await this.#inSlot({ end }, deadline);
      if (result.done) ended.push(...result.ended);
    }
    if (main === undefined) return { done: true, ended };
    const rows = { ...change, proof: undefined, end: own, caps: undefined };
    const result = await this.#inSlot(rows, deadline);
    return result.done ? { done: true, ended: [...ended, ...result.ended] } : result;
  }

  /** A change of one slot, after what it makes was written to the indexes of its users. */
  async #inSlot(change: ChangeParts, deadline: number): Promise<ChangeResult> {
    const { keys } = this.#server;
    const [first, ...rest] = rowKeys(change, keys);
    if (first === undefined) return { done: true, ended: [] };
    const { change: encoded, data } = encodeChange(change);
    const expected = foreseen(change);
    await this.#indexAll(expected, deadline);
    return withIndexes(
      this.#server,
      deadline,
      expected,
      (written) =>
        this.#server.run(
          scripts.apply,
          [first, ...rest],
          [JSON.stringify({ ...encoded, ...written }), data],
          deadline,
        ),
      (missing) => this.#indexAll([missing], deadline),
    );
  }

  async #indexAll(missing: readonly Missing[], deadline: number): Promise<void> {
    await Promise.all(missing.map((one) => this.#index(one, deadline)));
  }

  async #index(missing: Missing, deadline: number): Promise<void> {
    const { index } = missing;
    const { user, tag } = partsOf(index);
    const count = await withTagIndex(
      this.#server,
      user,
      [tag],
      () => this.list(decodeUser(user)),
      () => writeIndex(this.#server, missing, deadline),
    );
    // A list tidies up: also for users who sign in often and never look at their devices.
    if (count > SWEEP_FROM && count % SWEEP_EVERY < 2)
      await this.#sweep(user, index, deadline).catch(() => {});
  }

  async #sweep(user: string, index: string, deadline: number): Promise<void> {
    const key = this.#server.keys.index(index);
    const some = handlesIn(await this.#server.run(scripts.readSome, [key], [String(SWEEP)], deadline));
    if (index !== othersIndex(user)) await this.#look(user, index, some, deadline);
    else await this.#sweepOthers(key, some, deadline);
  }

  /** Of what names the user besides: what leads to no row at all, as on a single server. */
  async #sweepOthers(key: string, some: ReadonlyMap<string, string>, deadline: number): Promise<void> {
    const { keys } = this.#server;
    const isGone = async (handle: string) => {
      const row = handle.startsWith("s:") ? keys.session(handle.slice(2)) : keys.login(handle.slice(2));
      return numberOf(await this.#server.send(row, ["PTTL", row], deadline)) === -2;
    };
    const handles = [...some.keys()].filter(isHandle);
    const gone = await Promise.all(handles.map(isGone));
    const stale = handles.filter((_, at) => gone[at]);
    const args = stale.flatMap((handle) => [handle, some.get(handle) ?? ""]);
    if (args.length > 0) await this.#server.run(scripts.forget, [key], args, deadline);
  }

  /**
   * The lock makes parallel sign-ins of a user count each other. It is the server's, as clocks of processes differ,
   * and it ends by itself: should its holder stall for longer than it may take, there is a device too many until
   * the next sign-in.
   */
  async #applyCapped(
    change: ChangeParts,
    userId: UserId,
    caps: readonly Cap[],
    deadline: number,
  ): Promise<ChangeResult> {
    const user = encodeUser(userId);
    const key = this.#server.keys.cap(user);
    const owner = randomBytes(16).toString("base64url");
    await this.#lock(key, owner, deadline);
    try {
      const indexes = await this.#indexesOf(user, caps, deadline);
      if (indexes.length === 0) return await this.#apply(change, deadline);
      const spared = { sessionId: change.insert?.id ?? change.update?.id, loginId: change.remember?.id };
      if (caps.some(({ overflow }) => overflow === "refuse")) {
        const before = (await this.#devicesIn(user, indexes, deadline)).filter(
          (entry) => isReadable(entry) && !isEndedBy(entry, change.end ?? []),
        );
        const isFull = excessOf(before, caps, spared).some(
          ({ cap, excess }) => cap.overflow === "refuse" && excess.length > 0,
        );
        if (isFull) return { done: false, conflict: "full" };
      }
      const result = await this.#apply(change, deadline);
      if (!result.done) return result;
      const ended = [...result.ended];
      for (const { cap, excess } of excessOf(await this.#devicesIn(user, indexes, deadline), caps, spared)) {
        const order = JSON.stringify({ user, except: spared.sessionId, tombstone: tombstone(cap) });
        ended.push(...(await this.#endSome(excess.flatMap(handlesOf), order, deadline)));
      }
      return { done: true, ended };
    } finally {
      // With a time of its own, as a call that used up its time must not keep the lock as well; should giving it
      // back fail, it runs out.
      this.#server.run(scripts.unlock, [key], [owner], this.#server.deadline()).catch(() => {});
    }
  }

  /**
   * Those that a cap has to look at: of its tag, or of all that the user has. A device has a handle at least: fewer handles
   * than a cap allows, with the two that a change makes, need no look.
   */
  async #indexesOf(user: string, caps: readonly Cap[], deadline: number): Promise<string[]> {
    const indexes = new Set(caps.flatMap(({ tag }) => (tag === undefined ? [] : tagIndex(user, tag))));
    const limits = caps.flatMap(({ tag, max }) => (tag === undefined ? max : []));
    const key = this.#server.keys.user(user);
    const count =
      limits.length === 0 ? 0 : numberOf(await this.#server.run(scripts.count, [key], [], deadline));
    if (limits.some((max) => count + 2 > max)) indexes.add(userIndex(user));
    return [...indexes];
  }

  /** Each once: a device of a tag is in two indexes. One that cannot be read is of the tag in whose index it is. */
  async #devicesIn(user: string, indexes: readonly string[], deadline: number): Promise<ListedEntry[]> {
    const found = new Map<string | undefined, ListedEntry>();
    for (const index of indexes) {
      const { tag } = partsOf(index);
      for (const entry of await this.#listOf(user, index, deadline)) {
        const id = (entry.session ?? entry.login)?.id;
        if (!found.has(id)) found.set(id, isReadable(entry) ? entry : tagged(entry, tag));
      }
    }
    return [...found.values()];
  }

  async #lock(key: string, owner: string, deadline: number): Promise<void> {
    const take = () => this.#server.run(scripts.lock, [key], [owner, String(this.#lockTime)], deadline);
    while (wordOf(await take(), ["yes", "no"]) !== "yes") await wait(2 + Math.random() * 20);
  }

  /** Handles of an index, with when they were added. */
  async #handles(index: string, deadline: number): Promise<Map<string, string>> {
    const key = this.#server.keys.index(index);
    return handlesIn(await this.#server.run(scripts.readIndex, [key], [], deadline));
  }
}

/** Of pairs of a handle and its time. */
function handlesIn(reply: unknown): Map<string, string> {
  const words = textsOf(reply);
  const handles = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) handles.set(words[at] ?? "", words[at + 1] ?? "");
  return handles;
}

type Foreseen = Partial<SessionRow> & { readonly handle: string };

/** What a change will want in the indexes of users, as far as it says so itself. */
function foreseen({ remember, insert, update }: ChangeParts): Missing[] {
  const { absoluteDeadline = 0, pruneAfter = 0, lastSeenAt = pruneAfter } = update?.set ?? {};
  const deadline = Math.max(
    remember === undefined ? 0 : horizonOf(remember, remember.lastUsedAt),
    insert === undefined ? 0 : horizonOf(insert, insert.lastSeenAt),
    horizonOf({ absoluteDeadline, pruneAfter }, lastSeenAt),
  );
  const all = [
    { ...remember, handle: `l:${remember?.id}` },
    { ...insert, handle: `s:${insert?.id}` },
    { ...update?.set, handle: `s:${update?.id}` },
  ].flatMap(({ userId, pendingUserId, actorUserId, tag, handle }: Foreseen) => {
    const others = [pendingUserId, actorUserId].flatMap((other) =>
      other === undefined ? [] : { index: othersIndex(encodeUser(other)), handle },
    );
    if (userId === undefined) return others;
    const user = encodeUser(userId);
    const ofTag = tag === undefined ? [] : [{ index: tagIndex(user, tag), handle }];
    const tagged = tag === undefined ? [] : [{ index: othersIndex(user), handle: `t:${tag}` }];
    return [{ index: userIndex(user), handle }, ...ofTag, ...tagged, ...others];
  });
  return [...Map.groupBy(all, ({ index }) => index)].map(([index, ofIndex]) => ({
    index,
    deadline: Math.ceil(deadline),
    handles: ofIndex.map(({ handle }) => handle),
  }));
}

/** One that names a session and a login of other slots is two. */
function bySlot(ending: Ending): Ending[] {
  const { session, login } = ending;
  if (session === undefined || login === undefined || shardKeyOf(session.id) === shardKeyOf(login.id))
    return [ending];
  return [
    { ...ending, login: undefined },
    { ...ending, session: undefined },
  ];
}

/** Whether one of a change's endings will end this device, so that a cap need not count it. */
const isEndedBy = (entry: ListedEntry, endings: readonly Ending[]): boolean =>
  endings.some((ending) => endsDevice(ending, entry));

const handlesOf = ({ session, login }: ListedEntry): string[] => [
  ...(session === undefined ? [] : [`s:${session.id}`]),
  ...(login === undefined ? [] : [`l:${login.id}`]),
];

const isReadable = ({ session, login }: ListedEntry): boolean =>
  [session, login].some((row) => row !== undefined && hasDeadlines(row));

const tagged = (entry: ListedEntry, tag: string | undefined): ListedEntry =>
  entry.session === undefined
    ? { session: undefined, login: { ...entry.login, tag } }
    : { session: { ...entry.session, tag }, login: entry.login };
