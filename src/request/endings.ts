import { assertFunction } from "../checks/given.ts";
import type { EventName, Events, PsessionEvent } from "../events.ts";
import type { UserId } from "../stores/store.ts";
import { isAlive } from "./alive.ts";
import { idOf } from "./standing.ts";
import { identityOf, type RequestState, sessionOf } from "./state.ts";

/** Events after which the row is read: an event only says when to look; the row says whether the session ended. */
const ENDINGS: ReadonlySet<EventName> = new Set([
  "login",
  "logout",
  "revoked",
  "revokedEveryone",
  "theft",
  "expired",
  "credentialChanged",
  "rotated",
  "reauthenticated",
  "signInBegun",
  "impersonationEnded",
]);
/** Events that concern one session only: the user's other sessions are not read for them. */
const OF_ONE: ReadonlySet<EventName> = new Set([
  "rotated",
  "reauthenticated",
  "signInBegun",
  "impersonationEnded",
]);

/** One connection that outlives its request. */
interface Watch {
  readonly state: RequestState;
  readonly listener: () => void;
  /** The ids of its session and its remembered login; and of an administrator's who acts as its user. */
  ids: readonly string[];
  userIds: readonly UserId[];
  /** The row is being read; `again`: something happened meanwhile. */
  looking: "no" | "once" | "again";
}

/** Connections that wait for the end of their session, with one subscription for all. */
class Endings {
  readonly #events: Events;
  readonly #watches = new Map<RequestState, Set<Watch>>();
  readonly #byId = new Index<string>();
  readonly #byUser = new Index<UserId>();
  #forget: (() => void) | undefined;

  constructor(events: Events) {
    this.#events = events;
  }

  add(state: RequestState, listener: () => void): () => void {
    // The row is made with the response, under this id.
    const ids = idsOf(state, idOf(state));
    const watch: Watch = { state, listener, ids, userIds: usersOf(state), looking: "no" };
    const own = this.#watches.get(state) ?? new Set();
    this.#watches.set(state, own.add(watch));
    this.#index(watch);
    this.#forget ??= this.#events.on("*", (event) => this.#hear(event));
    return () => this.#remove(watch);
  }

  /** A response may have given the request another session. */
  settled(state: RequestState): void {
    for (const watch of this.#watches.get(state) ?? []) {
      this.#unindex(watch);
      watch.ids = idsOf(state, sessionOf(state.standing)?.id);
      watch.userIds = usersOf(state);
      this.#index(watch);
    }
  }

  async #hear(event: PsessionEvent): Promise<void> {
    if (ENDINGS.has(event.type))
      await Promise.all(Array.from(this.#concerned(event), (watch) => this.#look(watch)));
  }

  #concerned(event: PsessionEvent): Set<Watch> {
    if (event.type === "revokedEveryone")
      return new Set([...this.#watches.values()].flatMap((own) => [...own]));
    const found = new Set<Watch>();
    const add = (watches: Iterable<Watch>) => {
      for (const watch of watches) found.add(watch);
    };
    if ("sessionId" in event && event.sessionId !== undefined) add(this.#byId.get(event.sessionId));
    if ("handle" in event && event.handle !== undefined) add(this.#byId.get(event.handle));
    if (!OF_ONE.has(event.type) && "userId" in event && event.userId !== undefined)
      add(this.#byUser.get(event.userId));
    return found;
  }

  /** Where a user's thousand devices end at once, each connection reads twice at most. */
  async #look(watch: Watch): Promise<void> {
    if (watch.looking !== "no") {
      watch.looking = "again";
      return;
    }
    do {
      watch.looking = "once";
      // A connection that cannot check its session must not go on as if nothing had happened.
      const goesOn = await isAlive(watch.state).catch(() => false);
      if (!this.#watches.get(watch.state)?.has(watch)) return;
      if (!goesOn) {
        this.#remove(watch);
        return watch.listener();
      }
    } while ((watch.looking as Watch["looking"]) === "again");
    watch.looking = "no";
  }

  #index(watch: Watch): void {
    for (const id of watch.ids) this.#byId.add(id, watch);
    for (const userId of watch.userIds) this.#byUser.add(userId, watch);
  }

  #unindex(watch: Watch): void {
    for (const id of watch.ids) this.#byId.remove(id, watch);
    for (const userId of watch.userIds) this.#byUser.remove(userId, watch);
  }

  #remove(watch: Watch): void {
    const own = this.#watches.get(watch.state);
    if (own?.delete(watch) !== true) return;
    if (own.size === 0) this.#watches.delete(watch.state);
    this.#unindex(watch);
    if (this.#watches.size > 0) return;
    this.#forget?.();
    this.#forget = undefined;
  }
}

class Index<Key> {
  readonly #watches = new Map<Key, Set<Watch>>();

  get(key: Key): Iterable<Watch> {
    return this.#watches.get(key) ?? [];
  }

  add(key: Key, watch: Watch): void {
    const found = this.#watches.get(key);
    if (found === undefined) this.#watches.set(key, new Set([watch]));
    else found.add(watch);
  }

  remove(key: Key, watch: Watch): void {
    const found = this.#watches.get(key);
    found?.delete(watch);
    if (found?.size === 0) this.#watches.delete(key);
  }
}

function idsOf(state: RequestState, id: string | undefined): string[] {
  const { rememberedId } = identityOf(state);
  return [id, rememberedId, state.host?.id, state.host?.rememberedId].filter((one) => one !== undefined);
}

const usersOf = (state: RequestState): UserId[] =>
  [identityOf(state).userId, state.host?.userId].filter((one) => one !== undefined);

const endings = new WeakMap<Events, Endings>();

/** Calls `listener` once when this process ends what the request opened. Returns the function that stops listening. */
export function onEnd(state: RequestState, listener: () => void): () => void {
  assertFunction("onEnd: listener", listener);
  const { events } = state.core;
  const own = endings.get(events) ?? new Endings(events);
  endings.set(events, own);
  return own.add(state, listener);
}

/** To be called when a response was settled, for listeners that wait for the end of its session. */
export function settledFor(state: RequestState): void {
  endings.get(state.core.events)?.settled(state);
}
