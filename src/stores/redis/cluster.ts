import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { tagOf } from "../../secrets.ts";
import { excessOf, listed } from "../devices.ts";
import { endsDevice } from "../endings.ts";
import type {
  Cap,
  Change,
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
  decodeAnswer,
  decodeEnded,
  decodeListing,
  encodeChange,
  encodeOrder,
  idsOf,
  rowKeys,
} from "./changes.ts";
import { scripts } from "./lua/index.ts";
import { isOutdated } from "./marks.ts";
import { insertPlain } from "./plain.ts";
import { numberOf, textsOf, wordOf } from "./replies.ts";
import { encodeUser, tombstone } from "./rows.ts";
import type { Server } from "./server.ts";
import { perSlot } from "./slots.ts";
import type { Writer } from "./writer.ts";

/** From so many handles on, every so often, a look at some of them: as many for each that is added as on a single server. */
const SWEEP_FROM = 32;
const SWEEP_EVERY = 16;
const SWEEP = 64;

/** How long it is known of a login that it ended because its proof came too late. */
const TOMBSTONE = 86_400_000;

/**
 * A cluster: a script reaches one slot, which holds a session and its login, or one user's index. What spans slots
 * is done in an order in which a crash in between signs out rather than in: an index is written before its row,
 * and somebody else's login ends before the rest of a change is done.
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
    const { id, userId, absoluteDeadline } = row;
    return this.#proved({ insert: row, proof }, deadline, async () => {
      if (userId !== undefined)
        await this.#index(encodeUser(userId), absoluteDeadline, [`s:${id}`], deadline);
      return insertPlain(this.#server, row, deadline);
    });
  }

  apply(change: Change, deadline: number): Promise<ChangeResult> {
    return this.#proved(change, deadline, () => this.#applyUnproved(change, deadline));
  }

  /**
   * Marks lie in other slots. An end writes its mark, then looks for rows; a change writes its rows, then looks for marks,
   * so one of the two sees the other. What was made too late is ended before anybody gets its cookie, and a crash in
   * between leaves a row whose secret nobody has. Looking first as well spares what such a change would end.
   */
  async #proved(
    { proof, insert, update, remember, rotate, hold }: Change,
    deadline: number,
    apply: () => Promise<ChangeResult>,
  ): Promise<ChangeResult> {
    if (proof === undefined) return apply();
    const outdated = { done: false, lost: "outdated" } as const;
    if (await isOutdated(this.#server, proof, deadline)) return outdated;
    const result = await apply();
    if (!result.done || !(await isOutdated(this.#server, proof, deadline))) return result;
    const made = [insert, update, remember, rotate, hold].find((part) => part !== undefined);
    if (made !== undefined) {
      const pruneAfter = remember?.pruneAfter ?? insert?.pruneAfter ?? proof.provedAt + TOMBSTONE;
      const ending = { reason: "outdated", at: proof.provedAt, pruneAfter };
      await this.end({ handle: made.id, ...ending }, this.#server.deadline());
    }
    return outdated;
  }

  #applyUnproved(change: Change, deadline: number): Promise<ChangeResult> {
    const { caps = [] } = change;
    const [first] = caps;
    if (first === undefined) return this.#apply(change, deadline);
    const user = encodeUser(first.userId);
    return this.#turns.take(user, () => this.#applyCapped(change, first.userId, caps, deadline));
  }

  async end(selector: EndSelector, deadline: number): Promise<Ended[]> {
    const { keys } = this.#server;
    const { handle, userId } = selector;
    const order = encodeOrder(selector);
    if (handle !== undefined) {
      const named = [keys.session(handle), keys.login(handle)] as const;
      return decodeEnded(textsOf(await this.#server.run(scripts.end, named, [order], deadline)));
    }
    const handles = await this.#handles(userId === undefined ? "" : encodeUser(userId), deadline);
    const replies = await perSlot(this.#server, [...handles.keys()], (key, ofSlot) =>
      this.#server.run(scripts.end, [key], [order, ...ofSlot], deadline),
    );
    return replies.flatMap((reply) => decodeEnded(textsOf(reply)));
  }

  async list(userId: UserId, deadline: number): Promise<ListedEntry[]> {
    const user = encodeUser(userId);
    return this.#look(user, await this.#handles(user, deadline), deadline);
  }

  /** The devices that these handles lead to; those that lead to none are taken out of the index. */
  async #look(user: string, handles: ReadonlyMap<string, string>, deadline: number): Promise<ListedEntry[]> {
    const replies = await perSlot(this.#server, [...handles.keys()], (key, ofSlot) =>
      this.#server.run(scripts.list, [key], [user, ...ofSlot], deadline),
    );
    const listings = replies.map(decodeListing);
    const stale = listings.flatMap((listing) =>
      listing.stale.flatMap((handle) => [handle, handles.get(handle) ?? ""]),
    );
    // Tidying up is no part of the answer.
    if (stale.length > 0)
      await this.#server.run(scripts.forget, [this.#server.keys.user(user)], stale, deadline).catch(() => {});
    return listings.flatMap(({ entries }) => entries.map(listed));
  }

  async #apply(change: Change, deadline: number): Promise<ChangeResult> {
    const { sessions, logins } = idsOf(change);
    const [main] = [...sessions, ...logins];
    const own: Ending[] = [];
    const foreign = new Map<string, Ending[]>();
    for (const ending of (change.end ?? []).flatMap(bySlot)) {
      const tag = tagOf((ending.session ?? ending.login)?.id ?? "");
      if (main !== undefined && tag === tagOf(main)) own.push(ending);
      else foreign.set(tag, [...(foreign.get(tag) ?? []), ending]);
    }
    // First, and whatever becomes of the rest: if the rest is lost, or this process dies, somebody is signed out
    // whose cookie was at hand. The other way round a login that was to be replaced could live on.
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
  async #inSlot(change: Change, deadline: number): Promise<ChangeResult> {
    const { keys } = this.#server;
    const [first, ...rest] = rowKeys(change, keys);
    if (first === undefined) return { done: true, ended: [] };
    const { change: encoded, data } = encodeChange(change);
    const indexed: Record<string, string> = {};
    for (const { user, deadline: until, handles } of foreseen(change)) {
      await this.#index(user, until, handles, deadline);
      indexed[user] = String(until);
    }
    while (true) {
      const args = [JSON.stringify({ ...encoded, apart: true, indexed }), data];
      const answer = decodeAnswer(await this.#server.run(scripts.apply, [first, ...rest], args, deadline));
      if (!("missing" in answer)) return answer;
      // Only the row knew whose it is, or until when its login runs.
      const { user, deadline: until, handles } = answer.missing;
      await this.#index(user, until, handles, deadline);
      indexed[user] = String(until);
    }
  }

  async #index(user: string, until: number, handles: readonly string[], deadline: number): Promise<number> {
    const key = this.#server.keys.user(user);
    const count = numberOf(
      await this.#server.run(scripts.index, [key], [String(until), ...handles], deadline),
    );
    // A list tidies up: also for users who sign in often and never look at their devices.
    if (count > SWEEP_FROM && count % SWEEP_EVERY < 2) await this.#sweep(key, user, deadline).catch(() => {});
    return count;
  }

  async #sweep(key: string, user: string, deadline: number): Promise<void> {
    const some = await this.#server.run(scripts.readSome, [key], [String(SWEEP)], deadline);
    await this.#look(user, handlesIn(some), deadline);
  }

  /**
   * The lock makes parallel sign-ins of a user count each other. It is the server's, as clocks of processes differ,
   * and it ends by itself: should its holder stall for longer than it may take, there is a device too many until
   * the next sign-in.
   */
  async #applyCapped(
    change: Change,
    userId: UserId,
    caps: readonly Cap[],
    deadline: number,
  ): Promise<ChangeResult> {
    const user = encodeUser(userId);
    const key = this.#server.keys.cap(user);
    const owner = randomBytes(16).toString("base64url");
    await this.#lock(key, owner, deadline);
    try {
      if (!(await this.#mayBeFull(user, caps, deadline))) return await this.#apply(change, deadline);
      const spared = { sessionId: change.insert?.id ?? change.update?.id, loginId: change.remember?.id };
      if (caps.some(({ overflow }) => overflow === "refuse")) {
        const before = (await this.list(userId, deadline)).filter(
          (entry) => !isEndedBy(entry, change.end ?? []),
        );
        const isFull = excessOf(before, caps, spared).some(
          ({ cap, excess }) => cap.overflow === "refuse" && excess.length > 0,
        );
        if (isFull) return { done: false, lost: "full" };
      }
      const result = await this.#apply(change, deadline);
      if (!result.done) return result;
      const ended = [...result.ended];
      for (const { cap, excess } of excessOf(await this.list(userId, deadline), caps, spared)) {
        const json = JSON.stringify({ user, except: spared.sessionId, tombstone: tombstone(cap) });
        const replies = await perSlot(this.#server, excess.flatMap(handlesOf), (slotKey, ofSlot) =>
          this.#server.run(scripts.end, [slotKey], [json, ...ofSlot], deadline),
        );
        ended.push(...replies.flatMap((reply) => decodeEnded(textsOf(reply))));
      }
      return { done: true, ended };
    } finally {
      // With a time of its own, as a call that used up its time must not keep the lock as well; should giving it
      // back fail, it runs out.
      this.#server.run(scripts.unlock, [key], [owner], this.#server.deadline()).catch(() => {});
    }
  }

  /** A device has a handle at least: fewer handles than the caps allow, with the two that a change makes, need no look. */
  async #mayBeFull(user: string, caps: readonly Cap[], deadline: number): Promise<boolean> {
    if (caps.some(({ tag }) => tag !== undefined)) return true;
    const index = this.#server.keys.user(user);
    const count = numberOf(await this.#server.send(index, ["ZCARD", index], deadline));
    return caps.some(({ most }) => count + 2 > most);
  }

  async #lock(key: string, owner: string, deadline: number): Promise<void> {
    const take = () => this.#server.run(scripts.lock, [key], [owner, String(this.#lockTime)], deadline);
    while (wordOf(await take(), ["yes", "no"]) !== "yes") await wait(2 + Math.random() * 20);
  }

  /** Handles of a user's index, with when they were added. */
  async #handles(user: string, deadline: number): Promise<Map<string, string>> {
    return handlesIn(await this.#server.run(scripts.readIndex, [this.#server.keys.user(user)], [], deadline));
  }
}

/** Of pairs of a handle and its time. */
function handlesIn(reply: unknown): Map<string, string> {
  const words = textsOf(reply);
  const handles = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) handles.set(words[at] ?? "", words[at + 1] ?? "");
  return handles;
}

interface Foreseen {
  readonly user: string;
  readonly deadline: number;
  readonly handles: readonly string[];
}

/** What a change will want in the indexes of users, as far as it says so itself. */
function foreseen({ remember, insert, update }: Change): Foreseen[] {
  const deadline = Math.max(
    remember?.absoluteDeadline ?? 0,
    insert?.absoluteDeadline ?? 0,
    update?.set.absoluteDeadline ?? 0,
  );
  const all = [
    { userId: remember?.userId, handle: `l:${remember?.id}` },
    { userId: insert?.userId, handle: `s:${insert?.id}` },
    { userId: update?.set.userId, handle: `s:${update?.id}` },
  ].flatMap(({ userId, handle }) => (userId === undefined ? [] : { user: encodeUser(userId), handle }));
  return [...Map.groupBy(all, ({ user }) => user)].map(([user, ofUser]) => ({
    user,
    deadline,
    handles: ofUser.map(({ handle }) => handle),
  }));
}

/** One that names a session and a login of other slots is two. */
function bySlot(ending: Ending): Ending[] {
  const { session, login } = ending;
  if (session === undefined || login === undefined || tagOf(session.id) === tagOf(login.id)) return [ending];
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
