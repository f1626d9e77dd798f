import type { CookieInstruction } from "../../../src/http/cookies.ts";
import type { BindResult } from "../../../src/request/bind.ts";
import type { Answered } from "../recorded.ts";
import type { Rows, StoreCall } from "../rows.ts";

/** What requests do. `forge`: a proof by another key. `register` and `refresh` are the browser's own. */
export type Act =
  | "page"
  | "save"
  | "sign in"
  | "plain"
  | "leave"
  | "renew"
  | "begin"
  | "register"
  | "refresh"
  | "forge"
  | "mallory";

/** The cookies of a browser; the short one goes by itself. */
export interface Jar {
  readonly session: string | undefined;
  readonly remember: string | undefined;
  readonly bound: { readonly value: string; readonly until: number } | undefined;
}

export const NO_COOKIES: Jar = { session: undefined, remember: undefined, bound: undefined };

/** What the browser knows of the session that it has bound. */
export interface BoundThere {
  readonly id: string;
  readonly challenge: string | undefined;
}

/** What may happen in a run, and how much of it. */
export interface Bounds {
  readonly name: string;
  readonly acts: readonly Act[];
  readonly requests: number;
  readonly parallel: number;
  readonly crimes?: readonly Act[];
  readonly crimesAtMost?: number;
  /** How a run begins: signed in and asked for a key, or with that done. A thief has the cookies of then. */
  readonly begins: "asked" | "bound" | "away";
  readonly isRemembered: boolean;
  /** Answers are lost, and servers crash. */
  readonly isRough?: boolean;
  /** Requests may have arrived and not be looked at yet, as behind a queue or a slow body. */
  readonly waits?: boolean;
  readonly closes?: boolean;
  /** The store loses the rows of sessions, and not those of logins and keys. */
  readonly losesRow?: boolean;
  /** The clock of some servers is that much ahead, in ticks. */
  readonly skew?: number;
  readonly ticks: number;
}

export interface Running {
  readonly id: number;
  readonly act: Act;
  readonly cookies: Jar;
  /** What a registration or a refresh brings. */
  readonly boundId: string | undefined;
  readonly proof: string | undefined;
  /** The browser could not prove its key before it sent this. */
  readonly isWithout: boolean;
  /** By how much the clock of its server is ahead. */
  readonly skew: number;
  readonly openedAt: number;
  readonly answers: readonly Answered[];
  readonly commitAt: number | undefined;
}

export interface Opened {
  readonly user: unknown;
  readonly standing: string;
}

export interface Progress {
  readonly kind: "calling" | "answering";
  readonly call: StoreCall | undefined;
  readonly opened: Opened | undefined;
  readonly cookies: readonly CookieInstruction[];
  readonly bind: BindResult | undefined;
  /** The challenge that asks for a key. */
  readonly offer: string | undefined;
}

export interface Traveller {
  readonly owner: "browser" | "thief";
  readonly running: Running;
  readonly stage: "calling" | "answering";
  readonly progress: Progress | undefined;
}

export interface World {
  readonly now: number;
  readonly rows: Rows;
  readonly jar: Jar;
  readonly there: BoundThere | undefined;
  readonly offer: string | undefined;
  /** The last refresh brought nothing, and the browser goes on without. */
  readonly hasSkipped: boolean;
  readonly loot: readonly Jar[];
  readonly travellers: readonly Traveller[];
  readonly sent: number;
  readonly crimes: number;
  readonly ticks: number;
  readonly nextId: number;
  readonly ghost: Ghost;
}

/** What must hold later, remembered from what happened and not from what the code says of it. */
export interface Ghost {
  /** Short cookies, by their value. */
  readonly issued: ReadonlyMap<string, { readonly id: string; readonly until: number }>;
  /** By record: when the row of its session first said that the browser has shown the short cookie. */
  readonly confirmed: ReadonlyMap<string, number>;
  /** The browser has other cookies than before, or is about to: what is on its way may have none that count. */
  readonly hasExchanged: boolean;
  /** The browser was rightly signed out, or may be. */
  readonly hasEnded: boolean;
}

export interface Step {
  readonly label: string;
  readonly world: World;
  readonly moved?: { readonly before: Traveller; readonly after: Traveller; readonly rows: Rows };
}

export const cookieValueOf = ({ definition, value, maxAgeSeconds }: CookieInstruction) =>
  ({ name: definition.name, value: maxAgeSeconds === 0 ? undefined : value }) as const;

export function received(jar: Jar, cookies: readonly CookieInstruction[], life: number, now: number): Jar {
  const after = { ...jar };
  for (const instruction of cookies) {
    const { name, value } = cookieValueOf(instruction);
    if (name.endsWith("-remember")) after.remember = value;
    else if (name.endsWith("-bound"))
      after.bound = value === undefined ? undefined : { value, until: now + life };
    else if (name.endsWith("psession")) after.session = value;
  }
  return after;
}

/** As the browser sends them now. */
export const current = (jar: Jar, now: number): Jar =>
  jar.bound !== undefined && now > jar.bound.until ? { ...jar, bound: undefined } : jar;

export const idIn = (cookie: string | undefined): string => cookie?.split(".")[0] ?? "";
