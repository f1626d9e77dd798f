import { AsyncResource } from "node:async_hooks";
import { assertFunction } from "../checks/given.ts";
import { callListener, type Events } from "../events.ts";
import type { Settings } from "../options/settings.ts";
import type { Change, ChangeResult, Ended } from "../stores/store.ts";
import { type Concerned, EndNotices } from "./end-notices.ts";

/** What a request opened, for connections that outlive it. */
export interface Opened {
  /** The ids of its session and its remembered login; and of an administrator's who acts as its user. */
  ids(): readonly string[];
  /** It has something that can end: rows of its own are made with the response. */
  isStored(): boolean;
  /** By a fresh read, after the request's own changes that are on their way: until when it lasts, or undefined. */
  aliveUntil(): Promise<number | undefined>;
}

/** One connection that outlives its request. */
interface Watch {
  readonly opened: Opened;
  readonly listener: () => void;
  ids: readonly string[];
  /** When it ends if nobody uses it, as far as that is known. */
  until: number;
  /** The row is being read; `again`: something happened meanwhile. */
  looking: "no" | "once" | "again";
  /** Something said that it may have ended, and it was not read since. */
  isHinted: boolean;
  /** It has stood on a row, which may have ended. */
  wasStored: boolean;
  /** Since when its row could not be read. */
  unreadSince: number | undefined;
}

/** Connections that are looked at together. */
const SLICE = 250;
/** While messages between processes arrive, what they may have missed is looked for so much more rarely. */
const SLOWER = 6;
/** For how long a connection goes on whose session cannot be checked, where nothing says that it has ended. */
const MOST_SILENCE = 60_000;
/** Node's timers go no further. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Connections that wait for the end of their session: one subscription and two timers for all of them. Whatever says that
 * a session may have ended, here or elsewhere, only says when to look: the row decides.
 */
export class Endings {
  readonly #settings: Settings;
  readonly #notices: EndNotices;
  readonly #watches = new Map<Opened, Set<Watch>>();
  readonly #byId = new Map<string, Set<Watch>>();
  #poll: NodeJS.Timeout | undefined;
  #due: { readonly at: number; readonly timer: NodeJS.Timeout } | undefined;
  #isClosed = false;

  constructor(settings: Settings, events: Events) {
    this.#settings = settings;
    this.#notices = new EndNotices({
      settings,
      events,
      onNotice: (concerned, isGap) => void this.#lookAt(concerned, !isGap),
    });
  }

  /** Messages of other processes arrive. */
  get isListening(): boolean {
    return this.#notices.isListening;
  }

  /** Calls `listener` once when what the request opened has ended. Returns the function that stops listening. */
  add(opened: Opened, listener: () => void): () => void {
    assertFunction("onEnd: listener", listener);
    // A request that is still under way: nothing is read any more.
    if (this.#isClosed) return () => {};
    const watch: Watch = {
      opened,
      // An end is noticed in the request that brings it about, or in none.
      listener: AsyncResource.bind(() => callListener(listener, undefined)),
      ids: opened.ids(),
      until: Number.POSITIVE_INFINITY,
      looking: "no",
      isHinted: false,
      wasStored: false,
      unreadSince: undefined,
    };
    const own = this.#watches.get(opened) ?? new Set();
    this.#watches.set(opened, own.add(watch));
    this.#index(watch);
    this.#notices.listen();
    if (this.#poll === undefined) this.#pollLater();
    // It may have ended since the request read it.
    void this.#look(watch, false);
    return () => this.#remove(watch);
  }

  /** A response may have given the request another session. */
  settled(opened: Opened): void {
    for (const watch of this.#watches.get(opened) ?? []) {
      const ids = opened.ids();
      if (ids.join() === watch.ids.join() && watch.until !== Number.POSITIVE_INFINITY) continue;
      this.#unindex(watch);
      watch.ids = ids;
      this.#index(watch);
      void this.#look(watch, false);
    }
  }

  /** A change was made in the store. */
  changed(change: Change, result: ChangeResult): void {
    if (!result.done) return;
    const isEveryone = change.kind === "revoke" && change.everyone === true;
    this.#spread(isEveryone ? "all" : result.ended.flatMap(idsOfEnded));
  }

  /** The secret of a session was replaced for good: what stands on the old one has ended. */
  replaced(id: string, isUsers: boolean): void {
    if (isUsers) this.#spread([id]);
    // Nobody's session, as that of each visitor who signs in: not worth a message.
    else void this.#lookAt([id], true);
  }

  /** Waits until other processes were told what ended here. */
  flush(): Promise<void> {
    return this.#notices.flush();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#poll);
    clearTimeout(this.#due?.timer);
    this.#watches.clear();
    this.#byId.clear();
    await this.#notices.close();
  }

  #spread(concerned: Concerned): void {
    if (concerned.length === 0) return;
    void this.#lookAt(concerned, true);
    this.#notices.announce(concerned);
  }

  async #lookAt(concerned: Concerned, isHint: boolean): Promise<void> {
    const found = new Set<Watch>();
    for (const watches of concerned === "all"
      ? this.#watches.values()
      : concerned.map((id) => this.#byId.get(id) ?? []))
      for (const watch of watches) found.add(watch);
    await this.#lookAtEach([...found], isHint);
  }

  async #lookAtEach(watches: readonly Watch[], isHint: boolean): Promise<void> {
    for (let index = 0; index < watches.length; index += SLICE)
      await Promise.all(watches.slice(index, index + SLICE).map((watch) => this.#look(watch, isHint)));
  }

  /** Where a user's thousand devices end at once, each connection reads twice at most. */
  async #look(watch: Watch, isHint: boolean): Promise<void> {
    // A visitor without a session, or a sign-in that is still under way: nothing has ended that never was.
    watch.wasStored ||= watch.opened.isStored();
    if (!watch.wasStored) return;
    watch.isHinted ||= isHint;
    if (watch.looking !== "no") {
      watch.looking = "again";
      return;
    }
    do {
      watch.looking = "once";
      const until = await this.#read(watch);
      if (!this.#isWatched(watch)) return;
      if (until === undefined) {
        this.#remove(watch);
        watch.listener();
        return;
      }
      watch.until = until;
      this.#lookWhenDue(until);
    } while ((watch.looking as Watch["looking"]) === "again");
    watch.looking = "no";
  }

  async #read(watch: Watch): Promise<number | undefined> {
    const { clock } = this.#settings;
    const { isHinted } = watch;
    watch.isHinted = false;
    try {
      const until = await watch.opened.aliveUntil();
      watch.unreadSince = undefined;
      return until;
    } catch {
      // Where something says that it has ended, it must not go on as if nothing had happened. Otherwise a short outage
      // of the store would close every connection there is, and all of them would come back at once.
      watch.unreadSince ??= clock.now();
      const goesOn = !isHinted && clock.now() - watch.unreadSince < MOST_SILENCE;
      return goesOn ? watch.until : undefined;
    }
  }

  #pollLater(): void {
    const { poll } = this.#settings.onEnd;
    const pace = this.#notices.isListening ? SLOWER * poll : poll;
    this.#poll = setTimeout(async () => {
      await Promise.all([
        this.#lookAtEach(
          [...this.#watches.values()].flatMap((own) => [...own]),
          false,
        ),
        this.#notices.check(),
      ]);
      this.#poll = undefined;
      if (this.#watches.size > 0) this.#pollLater();
    }, pace);
    this.#poll.unref();
  }

  /** One timer, for the earliest of all. */
  #lookWhenDue(until: number): void {
    if (until === Number.POSITIVE_INFINITY || (this.#due !== undefined && this.#due.at <= until)) return;
    clearTimeout(this.#due?.timer);
    // At its very deadline it is still there.
    const delay = Math.max(1, until + 1 - this.#settings.clock.now());
    const timer = setTimeout(() => this.#lookAtDue(), Math.min(delay, LONGEST_TIMER));
    timer.unref();
    this.#due = { at: until, timer };
  }

  #lookAtDue(): void {
    const now = this.#settings.clock.now();
    const all = [...this.#watches.values()].flatMap((own) => [...own]);
    this.#due = undefined;
    // A use may have put it off.
    void this.#lookAtEach(
      all.filter(({ until }) => until < now),
      true,
    );
    const later = all.map(({ until }) => until).filter((until) => until >= now);
    if (later.length > 0) this.#lookWhenDue(later.reduce((a, b) => Math.min(a, b)));
  }

  #isWatched(watch: Watch): boolean {
    return this.#watches.get(watch.opened)?.has(watch) === true;
  }

  #index(watch: Watch): void {
    for (const id of watch.ids) {
      const found = this.#byId.get(id) ?? new Set();
      this.#byId.set(id, found.add(watch));
    }
  }

  #unindex(watch: Watch): void {
    for (const id of watch.ids) {
      const found = this.#byId.get(id);
      found?.delete(watch);
      if (found?.size === 0) this.#byId.delete(id);
    }
  }

  #remove(watch: Watch): void {
    const own = this.#watches.get(watch.opened);
    if (own?.delete(watch) !== true) return;
    if (own.size === 0) this.#watches.delete(watch.opened);
    this.#unindex(watch);
  }
}

const idsOfEnded = ({ sessionId, rememberedId, isRecord }: Ended): string[] =>
  isRecord ? [] : [sessionId, rememberedId].filter((id) => id !== undefined);
