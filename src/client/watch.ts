import { isSame, LOADING, type SessionState, stateOf, visitorOf } from "./state.ts";

/** How a page watches its session. */
export interface WatchOptions<Profile = unknown> {
  /** Milliseconds between two questions while the page is seen. Default: 60000. */
  every?: number | undefined;
  /** What the server knew when it made the page, so that nothing is loading at first. */
  initial?: SessionState<Profile> | undefined;
}

/** Who is signed in, as all of a page's parts see it. Also a store as Svelte understands it: `$session`. */
export interface SessionWatch<Profile = unknown> {
  /** The state as it is known now. The same object until something changes. */
  current(): SessionState<Profile>;
  /** Calls the listener at once and at each change, until the function that it returns is called. */
  subscribe(listener: (state: SessionState<Profile>) => void): () => void;
  /** Asks now, such as after a sign-in by `fetch`. Other tabs ask as well if they show another visitor. */
  refresh(): Promise<SessionState<Profile>>;
  /** "Stay signed in": a use of the session. */
  extend(): Promise<SessionState<Profile>>;
}

const EVERY = 60_000;
/** What timers of browsers take. */
const LONGEST = 2 ** 31 - 1;
/** After the end, so that the server's clock is past it, too. */
const AFTER_END = 1000;

/** What a page has and a server has not. */
interface Page {
  readonly document?: EventTarget & { readonly visibilityState: string };
  addEventListener?(type: string, listener: (event: { persisted?: boolean }) => void): void;
  removeEventListener?(type: string, listener: (event: { persisted?: boolean }) => void): void;
}

const watches = new Map<string, SessionWatch<unknown>>();

/**
 * Watches the session by the endpoint at this address, such as "/account/devices/session": one for each address, however
 * many parts of a page ask. It asks when something listens, each minute while the page is seen, when it is seen again,
 * and when the session should be over. No question is a use of the session. On a server it asks nothing.
 */
export function watchSession<Profile = unknown>(
  url: string,
  options: WatchOptions<Profile> = {},
): SessionWatch<Profile> {
  if (typeof url !== "string" || url === "")
    throw new TypeError(
      'watchSession: give the address of the endpoint, such as "/account/devices/session".',
    );
  const { every = EVERY } = options;
  if (!(every >= 1000)) throw new RangeError("watchSession: every must be at least 1000 milliseconds.");
  // A server makes pages for many visitors.
  if (!hasPage()) return new Watch<Profile>(url, every, options.initial);
  const known = watches.get(url) ?? new Watch<Profile>(url, every, options.initial);
  watches.set(url, known);
  return known as SessionWatch<Profile>;
}

const page = (): Page => globalThis as unknown as Page;
/** False on a server. */
export const hasPage = (): boolean => page().document !== undefined;

class Watch<Profile> implements SessionWatch<Profile> {
  readonly #url: string;
  readonly #every: number;
  readonly #listeners = new Set<(state: SessionState<Profile>) => void>();
  #state: SessionState<Profile>;
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #others: InstanceType<typeof BroadcastChannel> | undefined;

  constructor(url: string, every: number, initial: SessionState<Profile> | undefined) {
    this.#url = url;
    this.#every = every;
    this.#state = initial ?? LOADING;
  }

  current = (): SessionState<Profile> => this.#state;

  subscribe = (listener: (state: SessionState<Profile>) => void): (() => void) => {
    // One for each call, though it may be the same function.
    const own = (state: SessionState<Profile>) => listener(state);
    this.#listeners.add(own);
    listener(this.#state);
    if (this.#listeners.size === 1 && hasPage()) this.#begin();
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#stop();
    };
  };

  refresh = (): Promise<SessionState<Profile>> => this.#ask("GET");

  extend = (): Promise<SessionState<Profile>> => this.#ask("POST");

  #begin(): void {
    page().document?.addEventListener("visibilitychange", this.#seen);
    page().addEventListener?.("pageshow", this.#shown);
    if (typeof BroadcastChannel === "function") {
      this.#others = new BroadcastChannel(`psession ${this.#url}`);
      this.#others.onmessage = ({ data }) => data !== visitorOf(this.#state) && this.#seen();
    }
    void this.#ask("GET");
  }

  #stop(): void {
    clearTimeout(this.#timer);
    page().document?.removeEventListener("visibilitychange", this.#seen);
    page().removeEventListener?.("pageshow", this.#shown);
    this.#others?.close();
    this.#others = undefined;
  }

  readonly #seen = (): void => {
    if (this.#isSeen()) void this.#ask("GET");
    else clearTimeout(this.#timer);
  };

  /** From the cache of the back button: the page as it was, perhaps before a sign-out. */
  readonly #shown = ({ persisted }: { persisted?: boolean }): void => {
    if (persisted) void this.#ask("GET");
  };

  #isSeen(): boolean {
    return page().document?.visibilityState !== "hidden";
  }

  async #ask(method: "GET" | "POST"): Promise<SessionState<Profile>> {
    this.#asked++;
    const mine = this.#asked;
    clearTimeout(this.#timer);
    let next: SessionState<Profile>;
    try {
      next = await this.#fetch(method);
    } catch {
      next = { ...this.#state, isReachable: false };
    }
    // A later question has the newer answer.
    if (mine !== this.#asked) return this.#state;
    this.#become(next);
    this.#plan();
    return this.#state;
  }

  async #fetch(method: "GET" | "POST"): Promise<SessionState<Profile>> {
    const response = await fetch(this.#url, {
      method,
      headers: { Accept: "application/json" },
      credentials: "same-origin",
      cache: "no-store",
    });
    // The session that was to be extended is over.
    if (response.status === 401) return stateOf<Profile>({ level: "anonymous" }, Date.now());
    if (!response.ok) throw new Error(`The endpoint answered ${response.status}.`);
    return stateOf<Profile>(await response.json(), Date.now());
  }

  #become(next: SessionState<Profile>): void {
    const before = this.#state;
    if (isSame(before, next)) return;
    this.#state = next;
    if (visitorOf(before) !== visitorOf(next)) this.#others?.postMessage(visitorOf(next));
    for (const listener of [...this.#listeners]) listener(next);
  }

  #plan(): void {
    if (this.#listeners.size === 0 || !hasPage() || !this.#isSeen()) return;
    const { endsAt } = this.#state;
    const untilEnd = endsAt === undefined ? LONGEST : endsAt - Date.now() + AFTER_END;
    // What should be over by now and is not was used elsewhere, or a clock is wrong: once in a while is enough.
    const wait = untilEnd > 0 ? Math.min(untilEnd, this.#every, LONGEST) : this.#every;
    this.#timer = setTimeout(() => void this.#ask("GET"), wait);
  }
}
