import type { CookieInstruction } from "../../../src/http/cookies.ts";
import type { Answered } from "../recorded.ts";
import type { Rows, StoreCall } from "../rows.ts";
import type { Act, Order, Told, User } from "./acts.ts";
import type { Noted, Trail } from "./trail.ts";

/** The cookies of a browser. */
export interface Jar {
  readonly session: string | undefined;
  readonly remember: string | undefined;
  readonly trust: string | undefined;
  readonly acting: string | undefined;
}

export const NO_COOKIES: Jar = {
  session: undefined,
  remember: undefined,
  trust: undefined,
  acting: undefined,
};

/** What may happen in a run, and how much of it. */
export interface Bounds {
  readonly name: string;
  /** What the browser's requests do: so many of them in all, so many at a time. */
  readonly acts: readonly Act[];
  readonly requests: number;
  readonly parallel: number;
  /** What a thief does with what it has; so many requests in all. */
  readonly crimes?: readonly Act[];
  readonly crimesAtMost?: number;
  /** Each at most once. */
  readonly orders?: readonly Order[];
  readonly endings?: readonly ("close" | "crash")[];
  /** Its requests are on their way for a while. */
  readonly isSlow?: boolean;
  /** Answers are lost, and servers crash. */
  readonly isRough?: boolean;
  /** There is an audit trail, which entries reach late. */
  readonly isAudited?: boolean;
  readonly beginnings: readonly Beginning[];
  /** Shorter lives than those for which nothing ends. */
  readonly lives?: Lives;
  /** Time passes, in all so many ticks. */
  readonly ticks: number;
  readonly states?: number;
}

export type Beginning =
  /** A session of nobody's, whose cookie an attacker has planted. */
  | "planted"
  /** Her browser was closed, and has only the remember cookie. */
  | "remembered"
  | "signed in"
  | "half signed in"
  /** Signed in, and acting as Bob; a thief has a copy of that one's cookie. */
  | "acting"
  /** Signed in, and the browser is trusted. */
  | "trusted"
  /** As "trusted", and a thief has a copy of all cookies. */
  | "copied"
  /** As "remembered", and came back since a thief copied the cookies: the copy accuses. */
  | "stolen";

export interface Lives {
  readonly idle: number;
  readonly absolute: number;
  readonly remembered: number;
}

/** A request on its way through the real code, as in `../request.ts`. */
export interface Running {
  readonly id: number;
  readonly act: Act | Order;
  readonly cookies: Jar;
  /** Of the device that an order means. */
  readonly handle: string;
  readonly openedAt: number;
  readonly answers: readonly Answered[];
  readonly commitAt: number | undefined;
}

/** Who a request was when it was let in. */
export interface Opened {
  readonly user: User | undefined;
  readonly pending: User | undefined;
  readonly standing: string;
}

export interface Progress {
  readonly kind: "calling" | "handling" | "answering";
  readonly call: StoreCall | undefined;
  readonly opened: Opened | undefined;
  readonly cookies: readonly CookieInstruction[];
  readonly events: readonly string[];
  /** For the audit trail, so far. */
  readonly noted: readonly Noted[];
  readonly told: Told;
}

export interface Traveller {
  readonly owner: "browser" | "thief" | "nobody";
  readonly running: Running;
  readonly stage: "sent" | Progress["kind"];
  /** Since when. */
  readonly at: number;
  readonly progress: Progress | undefined;
  /** The browser that sent it is gone. */
  readonly isOrphan: boolean;
}

export interface World {
  readonly now: number;
  readonly rows: Rows;
  readonly trail: Trail;
  /** Entries that wait in the processes of requests. */
  readonly waiting: readonly Noted[];
  readonly jar: Jar;
  readonly disk: Jar;
  readonly dirtySince: number | undefined;
  readonly loot: readonly Jar[];
  readonly travellers: readonly Traveller[];
  readonly sent: number;
  readonly crimes: number;
  readonly orders: readonly Order[];
  readonly ticks: number;
  readonly nextId: number;
  readonly ghost: Ghost;
}

export interface Step {
  readonly label: string;
  readonly world: World;
  readonly moved?: {
    readonly before: Traveller;
    readonly after: Traveller;
    readonly progress: Progress;
    readonly call: StoreCall | undefined;
  };
  /** Entries that were given to the trail. */
  readonly appended?: readonly Noted[];
}

/** What must hold later, remembered from what happened and not from what the code says of it. */
export interface Ghost {
  /** By the digest of a session's secret. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** By the digest of a trust record's secret. */
  readonly trusts: ReadonlyMap<string, Trust>;
  /** By the digest of the secret with which Ada acts as Bob. */
  readonly acting: ReadonlyMap<string, ActingSecret>;
  /** Requests that could act as Bob when the first of their two rows was read: what ends then is ended after them. */
  readonly couldAct: ReadonlySet<number>;
  /** Requests with the cookie of an impersonation that were Ada's own when that first row was read. */
  readonly wasOwn: ReadonlySet<number>;
  readonly marks: readonly { readonly user: User; readonly at: number; readonly by: number }[];
  readonly erasures: readonly Erasure[];
  readonly gone: ReadonlySet<string>;
  /** Under which secret a request wrote. */
  readonly written: ReadonlyMap<number, number>;
  /** Requests that were on their way when devices ended: the handles of those. */
  readonly doomed: ReadonlyMap<number, readonly string[]>;
  /** A copied remember cookie is about. */
  readonly isThiefAbout: boolean;
  /** The browser was rightly signed out, or may be. */
  readonly hasEnded: boolean;
}

export interface Secret {
  /** The later of two has the higher number. */
  readonly order: number;
  readonly row: string;
  /** The request that made it. */
  readonly by: number;
  readonly kind: "nobody" | "half" | "in";
  readonly user: User | undefined;
  /** When the credential was checked that it rests on. */
  readonly provedAt: number | undefined;
  /** Of one that waits for the second step. */
  readonly until: number;
  readonly isCompleted: boolean;
  /** Another took its place, by what. */
  readonly replacedBy: Act | Order | undefined;
}

/** From when on no row names the user. */
export interface Erasure {
  readonly user: User;
  readonly at: number;
  /** The request that did it. */
  readonly by: number;
  /** The call has returned: the trail is rid of the user as well. */
  readonly isDone: boolean;
  /** Requests that had begun before, its own too. */
  readonly underWay: ReadonlySet<number>;
}

export interface ActingSecret {
  /** The digest of the session's secret in which it began. */
  readonly host: string;
  readonly until: number;
  readonly endedBy: string | undefined;
}

export interface Trust {
  readonly user: User;
  readonly provedAt: number;
  readonly until: number;
  /** The request that stored it. */
  readonly by: number;
  readonly handle: string;
  readonly endedBy: string | undefined;
}

export function received(jar: Jar, cookies: readonly CookieInstruction[]): Jar {
  const after = { ...jar };
  for (const { definition, value, maxAgeSeconds } of cookies) {
    const kept = maxAgeSeconds === 0 ? undefined : value;
    if (definition.name.endsWith("remember")) after.remember = kept;
    else if (definition.name.endsWith("trust")) after.trust = kept;
    else if (definition.name.endsWith("acting")) after.acting = kept;
    else after.session = kept;
  }
  return after;
}

export const isSameJar = (a: Jar, b: Jar): boolean =>
  a.session === b.session && a.remember === b.remember && a.trust === b.trust && a.acting === b.acting;

export const idIn = (cookie: string | undefined): string => cookie?.split(".")[0] ?? "";
