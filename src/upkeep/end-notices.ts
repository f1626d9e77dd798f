import { randomBytes } from "node:crypto";
import type { Events } from "../events.ts";
import type { Settings } from "../options/settings.ts";
import type { StoreChannel } from "../stores/store.ts";
import { warnOnce } from "../telemetry/warnings.ts";

/** Rows that may have ended, by their ids; or any. */
export type Concerned = readonly string[] | "all";

/** More of them in one turn are taken for all. */
const MOST_IDS = 1000;
/** So many ids of rows fit into one message. */
const IDS_PER_MESSAGE = 200;
const ALL = "*";
/** Begins a message by which a process finds out whether it hears its own. */
const PROBE = "?";
const ID = /^[\w-]{1,64}$/;

/** How long connecting may take, and a message on its way. */
const PATIENCE = 3000;
/** Waits before connecting again. */
const SHORTEST_WAIT = 1000;
const LONGEST_WAIT = 5 * 60_000;

interface Parts {
  readonly settings: Settings;
  readonly events: Events;
  /** Called with what other processes have announced, and with "all" where something may have been missed. */
  readonly onNotice: (concerned: Concerned, isGap: boolean) => void;
}

/**
 * What the processes that share a store tell each other: which sessions may have ended. Only hints, as anybody who may use
 * the database can send them, and as messages get lost. Nothing waits for them.
 */
export class EndNotices {
  readonly #parts: Parts;
  readonly #channel: StoreChannel | undefined;
  #waiting: Set<string> | "all" = new Set();
  #publishing: Promise<void> | undefined;
  #stop: (() => Promise<void>) | undefined;
  #isWanted = false;
  #isClosed = false;
  #isHeard = false;
  /** The probe that is on its way, and what to do when it has arrived. */
  #probe: { readonly text: string; readonly arrived: () => void } | undefined;
  #wait = SHORTEST_WAIT;
  #again: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    const { store, onEnd } = parts.settings;
    this.#parts = parts;
    this.#channel = onEnd.channel ? store.channel : undefined;
  }

  /** Messages of other processes arrive. */
  get isListening(): boolean {
    return this.#isHeard;
  }

  /** From now on, for as long as the process runs. */
  listen(): void {
    if (this.#isWanted || this.#isClosed || this.#channel === undefined) return;
    this.#isWanted = true;
    void this.#subscribe(this.#channel);
  }

  /** Those of one turn go together. A process that cannot say so has others find out by reading. */
  announce(concerned: Concerned): void {
    if (this.#channel === undefined) return;
    if (concerned === "all" || this.#waiting === "all") this.#waiting = "all";
    else for (const id of concerned) this.#waiting.add(id);
    this.#start(this.#channel);
  }

  #start(channel: StoreChannel): void {
    this.#publishing ??= this.#publish(channel).finally(() => {
      this.#publishing = undefined;
      // What came after the loop had looked.
      if (this.#waiting === "all" || this.#waiting.size > 0) this.#start(channel);
    });
  }

  /** Waits until what was announced is on its way, or has failed. */
  async flush(): Promise<void> {
    while (this.#publishing !== undefined) await this.#publishing;
  }

  /** Whether messages still arrive: a connection can be dead without anybody noticing. Otherwise connects again. */
  async check(): Promise<void> {
    if (this.#channel === undefined || !this.#isHeard || this.#probe !== undefined) return;
    if (!(await this.#hears(this.#channel))) this.#lost();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isWanted = false;
    clearTimeout(this.#again);
    await this.flush();
    await this.#unsubscribe();
  }

  async #publish(channel: StoreChannel): Promise<void> {
    // Other ends of the same turn come along.
    await undefined;
    while (this.#waiting === "all" || this.#waiting.size > 0) {
      const messages = messagesOf(this.#waiting);
      this.#waiting = new Set();
      try {
        for (const text of messages) await channel.publish(text);
      } catch (error) {
        this.#report(error);
      }
    }
  }

  async #subscribe(channel: StoreChannel): Promise<void> {
    try {
      const isLate = new AbortController();
      const listening = channel.subscribe({
        onMessage: (text) => this.#receive(text),
        onGap: () => this.#parts.onNotice("all", true),
        onLost: () => {
          if (!isLate.signal.aborted) this.#lost();
        },
      });
      // A connection that comes when nobody waits for it any more.
      listening.then(
        (stop) => {
          if (isLate.signal.aborted) stop().catch(() => {});
        },
        () => {},
      );
      const stop = await within(listening, PATIENCE);
      if (stop === undefined) {
        isLate.abort();
        throw new Error("The server did not answer in time.");
      }
      this.#stop = stop;
      if (!this.#isWanted) return await this.#unsubscribe();
      if (!(await this.#hears(channel))) {
        warnOnce(
          "PSESSION_NO_CHANNEL",
          `The ${this.#parts.settings.store.name} store takes messages between processes, and they do not arrive, as behind ` +
            "a pooler that gives each transaction another connection. session.onEnd hears of ends in other processes " +
            "by reading every so often (option onEnd.poll).",
        );
        return this.#lost(LONGEST_WAIT);
      }
      this.#wait = SHORTEST_WAIT;
      this.#isHeard = true;
      this.#parts.onNotice("all", true);
    } catch (error) {
      this.#report(error);
      this.#lost();
    }
  }

  /** By a message to itself, sent the way that other processes send theirs. */
  async #hears(channel: StoreChannel): Promise<boolean> {
    const text = PROBE + randomBytes(12).toString("base64url");
    const arrival = new Promise<true>((resolve) => {
      this.#probe = { text, arrived: () => resolve(true) };
    });
    try {
      await channel.publish(text);
      return (await within(arrival, PATIENCE)) === true;
    } catch {
      return false;
    } finally {
      this.#probe = undefined;
    }
  }

  #receive(text: string): void {
    if (text === this.#probe?.text) return this.#probe.arrived();
    if (text.startsWith(PROBE)) return;
    if (text === ALL) return this.#parts.onNotice("all", false);
    this.#parts.onNotice(
      text.split(" ").filter((id) => ID.test(id)),
      false,
    );
  }

  #lost(wait = this.#wait): void {
    this.#isHeard = false;
    this.#unsubscribe().catch(() => {});
    if (!this.#isWanted) return;
    clearTimeout(this.#again);
    this.#again = setTimeout(() => {
      if (this.#channel !== undefined) void this.#subscribe(this.#channel);
    }, wait);
    this.#again.unref();
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
  }

  async #unsubscribe(): Promise<void> {
    this.#isHeard = false;
    const stop = this.#stop;
    this.#stop = undefined;
    await stop?.().catch(() => {});
  }

  #report(error: unknown): void {
    const { settings, events } = this.#parts;
    events.emit("storeUnavailable", { at: settings.clock.now(), error });
  }
}

function messagesOf(concerned: ReadonlySet<string> | "all"): string[] {
  if (concerned === "all" || concerned.size > MOST_IDS) return [ALL];
  const ids = [...concerned];
  return Array.from({ length: Math.ceil(ids.length / IDS_PER_MESSAGE) }, (_, part) =>
    ids.slice(part * IDS_PER_MESSAGE, (part + 1) * IDS_PER_MESSAGE).join(" "),
  );
}

/** What a promise resolves to, or undefined where it takes longer. */
async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
    timer.unref();
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
