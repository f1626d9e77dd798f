import type { CookieInstruction } from "../../src/http/cookies.ts";
import type { Settings } from "../../src/options/settings.ts";
import type { RequestState } from "../../src/request/state.ts";
import type { Ghost } from "./ghost.ts";
import type { Handler } from "./handlers.ts";
import { type Jar, type Lives, NO_COOKIES, type Progress, type Running, type Tossed } from "./request.ts";
import type { Rows, StoreCall } from "./rows.ts";

export type Times = Omit<Settings["times"], "mid" | "settle" | "grace" | "flight">;

/** What may happen in a run, and how much of it at once. */
export interface Bounds {
  readonly name: string;
  /** Windows of the protocol, in ticks of the clock. */
  readonly times: Times;
  /** Requests of the browser on their way or in their handlers at the same time. */
  readonly parallel: number;
  readonly handlers: readonly Handler[];
  /** Ways in which a browser ends: with its cookies on disk, or without the latest, keeping session cookies or not. */
  readonly endings: readonly ("close" | "crash" | "crash and restore its tabs")[];
  /** How far ahead a server's clock may be. */
  readonly skews: readonly number[];
  /** Times that the thief copies the jar; its requests run one at a time. */
  readonly thefts: number;
  /** What the thief does; "read" where this is left out. */
  readonly crimes?: readonly Handler[];
  /** How many ticks before it comes a thief says that its request came. */
  readonly claims?: readonly number[];
  /** An administrator revokes the login at any moment. */
  readonly revokes: boolean;
  /** The store is set back to a backup, once. */
  readonly backups: boolean;
  /** The store falls into two halves, once, and one of them is thrown away later. */
  readonly splits?: boolean;
  /** Reads before the commit may be answered by a replica that is behind. */
  readonly lags?: boolean;
  /** What other sites make the browser send, without its cookies. */
  readonly withheld?: readonly Handler[];
  /** The head of a request may arrive long before its body. */
  readonly bodies?: boolean;
  /** Requests that the browser holds back, to send them with the cookies of before. */
  readonly queued?: number;
  /** Second cookies that come along with the browser's. */
  readonly tossed?: readonly Tossed[];
  /** A deploy shortens all lives to these, once. */
  readonly lives?: Lives;
  /** Of the beginnings only those whose labels have one of these in them. */
  readonly beginnings?: readonly string[];
  /** Nothing is lost and no server crashes, so that a story of many requests is not too long. */
  readonly isCalm?: boolean;
  /** Stop after so many worlds, where that is less than what is asked for. */
  readonly states?: number;
}

type Owner = "browser" | "thief";

/** Of whom the browser's cookies are, by the answers it had. "anybody": answers overtook each other, and it may be mixed. */
export type Whose = "ada" | "bob" | "nobody" | "anybody";

/** What the browser had when it wrote the cookies of a request. */
export interface Origin {
  readonly jar: Jar;
  readonly whose: Whose;
  /** How many sign-ins and sign-outs it had been answered. */
  readonly era: number;
  /** It was held back meanwhile. */
  readonly isQueued: boolean;
}

export interface Traveller {
  readonly owner: Owner;
  readonly running: Running;
  readonly stage:
    | { readonly kind: "sent"; readonly at: number }
    /** Its head has arrived; its body is on its way. */
    | { readonly kind: "arrived"; readonly at: number }
    | { readonly kind: "calling"; readonly call: StoreCall }
    | { readonly kind: "handling"; readonly state: RequestState }
    | { readonly kind: "answered"; readonly at: number; readonly cookies: readonly CookieInstruction[] };
  readonly origin: Origin;
  /** By what it was let in. */
  readonly stood: "session" | "token" | "nothing" | undefined;
  /** A replica that was behind has answered it. */
  readonly isBehind: boolean;
  /** Its server is on the other side of a split store. */
  readonly isBeyond: boolean;
  /** The browser that sent it is gone: its answer reaches nobody. */
  readonly isOrphan: boolean;
  readonly toldEvents: number;
}

/** A jar that the browser had before. */
interface Past extends Omit<Origin, "isQueued"> {
  /** Until when it had it. */
  readonly until: number;
}

export interface World {
  readonly now: number;
  readonly rows: Rows;
  readonly jar: Jar;
  readonly disk: Jar;
  /** Since when the disk lacks what the jar has. */
  readonly dirtySince: number | undefined;
  readonly travellers: readonly Traveller[];
  readonly loot: readonly Jar[];
  readonly thefts: number;
  /** What the store can be set back to. */
  readonly backup: Rows | undefined;
  /** A replica, which may be behind. */
  readonly replica: Rows | undefined;
  /** The other side of a store that is split. */
  readonly other: Rows | undefined;
  /** A cookie of each name that a subdomain has put beside the browser's. */
  readonly tossed: Tossed | undefined;
  /** The jars of before, the latest first: those from which requests may still be queued. */
  readonly past: readonly Past[];
  /** How many requests were held back so far. */
  readonly queued: number;
  readonly isLimited: boolean;
  readonly nextId: number;
  /** What must hold later, remembered from what happened. */
  readonly ghost: Ghost;
}

export interface Step {
  readonly label: string;
  readonly world: World;
  /** The request that moved and how far it came, where one did. */
  readonly moved?: {
    readonly before: Traveller;
    readonly after: Traveller;
    readonly progress: Progress;
    readonly call: StoreCall | undefined;
    /** What the store said to the call. */
    readonly answer: unknown;
  };
  /** The answer that the browser received. */
  readonly delivered?: { readonly traveller: Traveller; readonly cookies: readonly CookieInstruction[] };
}

export function received(jar: Jar, cookies: readonly CookieInstruction[]): Jar {
  let { session, remember } = jar;
  for (const { definition, value, maxAgeSeconds } of cookies) {
    const kept = maxAgeSeconds === 0 ? undefined : value;
    if (definition.name.endsWith("remember")) remember = kept;
    else session = kept;
  }
  return { session, remember };
}

/** What an answer gives, whatever the browser has. */
export const givenBy = (cookies: readonly CookieInstruction[]): Jar => received(NO_COOKIES, cookies);

export const isSameJar = (a: Jar, b: Jar): boolean => a.session === b.session && a.remember === b.remember;

export const hasCookies = (jar: Jar): boolean => jar.session !== undefined || jar.remember !== undefined;

export const idIn = (cookie: string | undefined): string => cookie?.split(".")[0] ?? "";

/** The side of a split store that a request is about. */
export const rowsOf = ({ rows, other }: World, isBeyond: boolean): Rows =>
  isBeyond ? (other ?? rows) : rows;
