/** What the test and its server processes say to each other. */
import type { EventName, Level, Outcome } from "../../src/index.ts";

/** Where a server process kills itself, in the order in which a request comes by. */
export const KILL_POINTS = [
  /** A row was read, and nothing was done with it yet. */
  "reading",
  /** The commit begins; the store was not asked for anything. */
  "beforeApply",
  /** The transaction has written its first row, and not the others. */
  "midTransaction",
  /** Everything was written, and COMMIT was not executed. */
  "beforeCommit",
  /** COMMIT was executed, and nobody was told. */
  "afterCommit",
  /** The head of the answer, with its cookies, and one byte of the body have left. */
  "firstBytes",
] as const;

export type KillPoint = (typeof KILL_POINTS)[number];

/** From the test to a process, which answers each with `done`. */
export type Order =
  | { readonly kind: "clock"; readonly now: number }
  /** Kill yourself when you come by this point for the `after`th time from now. */
  | { readonly kind: "arm"; readonly point: KillPoint; readonly after: number }
  | { readonly kind: "disarm" };

export type Numbered<Message> = Message & { readonly id: number };

/** From a process to the test. */
export type Report =
  | { readonly kind: "ready"; readonly port: number }
  | { readonly kind: "done"; readonly id: number }
  | { readonly kind: "event"; readonly type: EventName };

/** The answer to `/visit`. */
export interface VisitAnswer {
  readonly userId: number | null;
  readonly level: Level;
  readonly outcome: Outcome;
  /** The keys that the session's data had when the request came. */
  readonly keys: readonly string[];
}
