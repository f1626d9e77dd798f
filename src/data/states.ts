import * as v from "valibot";
import { type Duration, LONGEST_WAIT } from "../checks/duration.ts";
import { inMilliseconds, positiveDuration } from "../checks/duration-options.ts";
import { checkedOptions } from "../checks/faults.ts";
import { type Digest, digest, newSecret, sameDigest } from "../protocol/secrets.ts";
import { ASIDE } from "./codec.ts";
import type { TrackedData } from "./tracked-data.ts";

/** How a sign-in that comes back from another site is kept in the meantime. */
export interface StateOptions {
  /** How long the visitor may take at the provider. Default: "10m". */
  lifetime?: Duration | undefined;
}

const PREFIX = `${ASIDE}state:`;
/** Tabs that sign in at the same time. A visitor who reloads a login page for hours must not fill the session. */
const MOST_STATES = 10;

const options = v.strictObject({
  lifetime: v.optional(
    v.pipe(positiveDuration(' of at most a day, such as "10m"', LONGEST_WAIT), inMilliseconds),
    "10m",
  ),
});

interface Entry {
  readonly at: number;
  /** Epoch milliseconds; from then on the state is not there. */
  readonly until: number;
}

/** Checks the options of `newState`; gives the lifetime in milliseconds. */
export const lifetimeOf = (given: StateOptions): number =>
  checkedOptions("newState", options, given).lifetime;

/**
 * The states of sign-ins elsewhere that a session has begun. Each is a value of its own, so that parallel requests do not
 * overwrite each other's, and only its digest is kept: a dump of the store must not reveal a state that is accepted.
 */
export class States {
  readonly #data: TrackedData;
  readonly #now: number;

  constructor(data: TrackedData, now: number) {
    this.#data = data;
    this.#now = now;
  }

  /** A new state, and the key under which it is kept. */
  add(lifetime: number): { readonly state: string; readonly key: string } {
    this.#makeRoom();
    const secret = newSecret();
    const key = PREFIX + textOf(digest(secret));
    this.#data.asides[key] = { at: this.#now, until: this.#now + lifetime } satisfies Entry;
    return { state: secret.toString("base64url"), key };
  }

  has(state: unknown): boolean {
    return this.#find(state) !== undefined;
  }

  /** False where it is unknown or has expired. */
  take(state: unknown): boolean {
    const key = this.#find(state);
    if (key === undefined) return false;
    delete this.#data.asides[key];
    return true;
  }

  /** Forgets all states but those that are kept under these keys. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const [key] of this.#entries()) if (!keys.has(key)) delete this.#data.asides[key];
  }

  /** Constant time for whatever has the shape of a state (ASVS 11.2.4). */
  #find(state: unknown): string | undefined {
    if (typeof state !== "string" || !SHAPE.test(state)) return undefined;
    const presented = digest(Buffer.from(state, "base64url"));
    let found: string | undefined;
    for (const [key, { until }] of this.#entries()) {
      if (sameDigest(presented, digestIn(key)) && this.#now < until) found = key;
    }
    return found;
  }

  #makeRoom(): void {
    const live = this.#entries().filter(([key, { until }]) => {
      if (this.#now < until) return true;
      delete this.#data.asides[key];
      return false;
    });
    live.sort(([, one], [, other]) => other.at - one.at);
    for (const [key] of live.slice(MOST_STATES - 1)) delete this.#data.asides[key];
  }

  #entries(): [string, Entry][] {
    return Object.entries(this.#data.asides).filter(([key]) => key.startsWith(PREFIX)) as [string, Entry][];
  }
}

/** One spelling for each state: two bits of the last character are spare, and have to be zero. */
const SHAPE = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

const textOf = (bytes: Digest): string => Buffer.from(bytes).toString("base64url");
const digestIn = (key: string): Digest => Buffer.from(key.slice(PREFIX.length), "base64url");
