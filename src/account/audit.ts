import * as v from "valibot";
import { checkedOptions } from "../checks/faults.ts";
import type { EventName, PsessionEvent } from "../events.ts";
import { keptAddress } from "../request/addresses.ts";
import type { Core } from "../request/state.ts";
import { type AuditEntry, type AuditQuery, type AuditSink, newAuditId } from "../stores/audit.ts";
import { byActor, NOBODY, withoutActor } from "../stores/erasure.ts";
import type { UserId } from "../stores/store.ts";

/** Entries of one append, and those that wait while a sink is down. */
const MOST_AT_ONCE = 500;
const MOST_WAITING = 10_000;
/** A sink that failed is tried again after this long, or with the next entry. */
const RETRY_AFTER = 5000;

/**
 * Writes events to the audit trail, behind the requests that they came from: none waits for it, and none fails where
 * it fails. Events emitted while an append is under way go with the next one. An entry that the sink refuses while it
 * takes others is dropped: it would keep everything after it out of the trail, for ever.
 */
export class AuditRecorder {
  readonly #core: Core;
  readonly #sink: AuditSink;
  readonly #events: ReadonlySet<string>;
  #waiting: AuditEntry[] = [];
  /** What the sink took last. */
  #taken: AuditEntry | undefined;
  /** The sink took nothing in its last turn. */
  #hasFailed = false;
  #running: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(core: Core, { sink, events }: { sink: AuditSink; events: readonly EventName[] }) {
    this.#core = core;
    this.#sink = sink;
    this.#events = new Set(events);
    core.events.on("*", (event) => this.#hear(event));
  }

  /** Waits until all events so far are stored, or the sink has failed. */
  async flush(): Promise<void> {
    if (this.#waiting.length > 0) this.#start();
    while (this.#running !== undefined) await this.#running;
  }

  #hear(event: PsessionEvent): void {
    if (this.#events.has(event.type)) this.add(entryOf(event, this.#core.settings.realm));
  }

  add(given: AuditEntry): void {
    const entry = { ...given, address: keptAddress(given.address, this.#core.settings) };
    this.#waiting.push(entry);
    const excess = this.#waiting.length - MOST_WAITING;
    if (excess > 0) {
      this.#waiting.splice(0, excess);
      this.#core.events.emit("auditLost", { at: entry.at, count: excess, error: undefined });
    }
    this.#start();
  }

  /** For a sink of the application's own, which knows no marks: nothing of the user is on its way there any more. */
  forget(userId: UserId): void {
    const isOf = (entry: AuditEntry) => entry.userId === userId || entry.actorId === userId;
    if (this.#taken !== undefined && isOf(this.#taken)) this.#taken = undefined;
    this.#waiting = this.#waiting.flatMap((entry) => {
      if (entry.userId === userId) return [];
      return entry.actorId === userId ? withoutActor(entry, NOBODY) : entry;
    });
  }

  #start(): void {
    if (this.#running !== undefined) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#running = this.#append().finally(() => {
      this.#running = undefined;
      // Entries queued since the loop last looked.
      if (this.#waiting.length > 0 && this.#retry === undefined) this.#start();
    });
  }

  async #append(): Promise<void> {
    // Other events of the same request go into the same append.
    await undefined;
    while (this.#waiting.length > 0) {
      const entries = this.#waiting.slice(0, MOST_AT_ONCE);
      const failure = await this.#offer(entries);
      if (failure === undefined) continue;
      const isSifted = (await this.#takesOthers(entries)) && (await this.#sift(entries));
      if (isSifted) continue;
      this.#hasFailed = true;
      const { error } = failure;
      this.#core.events.emit("storeUnavailable", { at: this.#core.settings.clock.now(), error });
      this.#retry = setTimeout(() => this.#start(), RETRY_AFTER);
      this.#retry.unref();
      return;
    }
  }

  async #offer(entries: readonly AuditEntry[]): Promise<{ readonly error: unknown } | undefined> {
    try {
      await this.#sink.append(entries);
    } catch (error) {
      return { error };
    }
    this.#taken = entries.at(-1);
    this.#hasFailed = false;
    this.#drop(entries);
    return undefined;
  }

  /** Whether a sink that has just refused these takes others: then it is not down. In their order, as sinks keep it. */
  async #takesOthers(entries: readonly AuditEntry[]): Promise<boolean> {
    const some = entries.length > 1 ? entries.slice(0, 2) : [];
    for (const entry of some) if ((await this.#offer([entry])) === undefined) return true;
    // It may have been a passing failure: entries it took are not sent again, nor the newest before the others.
    if (!this.#hasFailed) return false;
    if (this.#taken !== undefined) return this.#isUp();
    const newest = entries.slice(2).slice(-1);
    return newest.length > 0 && (await this.#offer(newest)) === undefined;
  }

  /** Offers an entry again that it took: sinks keep one of two that are the same. */
  async #isUp(): Promise<boolean> {
    return this.#taken !== undefined && (await this.#offer([this.#taken])) === undefined;
  }

  /** Finds entries that are refused in any company, by halves. False where the sink turned out to be down. */
  async #sift(entries: readonly AuditEntry[]): Promise<boolean> {
    const waiting = new Set(this.#waiting);
    const left = entries.filter((entry) => waiting.has(entry));
    if (left.length === 0) return true;
    const failure = await this.#offer(left);
    if (failure === undefined) return true;
    if (left.length > 1) {
      const half = Math.ceil(left.length / 2);
      return (await this.#sift(left.slice(0, half))) && (await this.#sift(left.slice(half)));
    }
    if (!(await this.#isUp())) return false;
    this.#drop(left);
    const { error } = failure;
    this.#core.events.emit("auditLost", { at: this.#core.settings.clock.now(), count: 1, error });
    return true;
  }

  #drop(entries: readonly AuditEntry[]): void {
    const dropped = new Set(entries);
    this.#waiting = this.#waiting.filter((entry) => !dropped.has(entry));
  }
}

/** Entries of one page. */
export const LONGEST_PAGE = 10_000;
const PAGE = 100;

const isEntryId = (value: unknown) => typeof value === "string" && /^[\w-]{1,64}$/.test(value);

const isPageSize = (value: unknown) =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= LONGEST_PAGE;

const querySchema = v.strictObject({
  // Checked against the store's kind of ids later, where the store is known.
  userId: v.optional(v.any()),
  since: v.optional(v.custom<number>(Number.isFinite, "must be a time in epoch milliseconds")),
  before: v.optional(v.custom<string>(isEntryId, "must be the id of an entry")),
  limit: v.optional(v.custom<number>(isPageSize, `must be a whole number from 1 to ${LONGEST_PAGE}`), PAGE),
});

/**
 * An audit query, completed. Everything wrong with it is named: a misspelt `userId` would show
 * all users' entries.
 */
export const auditQuery = (query: unknown): AuditQuery =>
  checkedOptions("psession.auditTrail", querySchema, query);

/** The facts that events share, under one name each. */
function entryOf(event: PsessionEvent, realm: string): AuditEntry {
  const { at, type, userId, actorId, handle, sessionId, pseudonym, request } = event as PsessionEvent &
    Partial<Shared>;
  return {
    id: newAuditId(at, realm),
    at,
    event: type,
    userId,
    actorId,
    handle: handle ?? sessionId ?? pseudonym,
    address: request?.address,
    detail: detailOf(event),
  };
}

interface Shared {
  readonly userId: AuditEntry["userId"];
  readonly actorId: AuditEntry["actorId"];
  readonly handle: string | undefined;
  readonly sessionId: string | undefined;
  readonly pseudonym: string | undefined;
  readonly request: { readonly address: string | undefined } | undefined;
}

function detailOf(event: PsessionEvent): string | undefined {
  switch (event.type) {
    case "login":
      return [event.remembered ? "remembered" : [], event.methods].flat().join(", ") || undefined;
    case "reauthenticated":
      return event.methods.join(", ") || undefined;
    case "signInBegun":
      return event.methods.join(", ") || undefined;
    case "signInFailed":
      return event.known ? `${event.what}, known browser` : event.what;
    case "revoked":
    case "revokedEveryone":
      return event.reason;
    case "impersonationBegan":
    case "impersonationEnded":
      return `${byActor(event.actorId)}: ${event.reason}`;
    case "credentialChanged":
      return event.factor;
    case "moved":
      return event.what;
    case "bound":
      return event.algorithm;
    case "boundRefused":
      return event.why;
    case "boundSkipped":
      return event.reason;
    case "theft":
      return event.by === "proof" ? event.by : undefined;
    case "userErased":
      return event.pseudonym === undefined ? "delete" : "pseudonym";
    default:
      return undefined;
  }
}
