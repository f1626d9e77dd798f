import type { Events } from "../events.ts";
import { warn } from "../telemetry/warnings.ts";
import type { Presented } from "./cookies.ts";

const MINUTE = 60_000;
/** The last hour, in parts that go one by one. */
const PART = 10 * MINUTE;
const PARTS = 6;
/** Fewer say nothing: a scanner sends some, and the first visitor after a start may bring a stale one. */
const LEAST = 20;

interface Seen {
  fitting: number;
  unknown: number;
}

/**
 * Counts cookies that look right and fit no key. Keys that were exchanged without the old one behind sign every user
 * out, and each then looks like a new visitor: without this count no operator would notice.
 */
export class UnknownKeys {
  readonly #events: Events;
  /** The present part first. */
  #parts: Seen[] = noneIn(PARTS);
  #partBegan = Number.NEGATIVE_INFINITY;
  #unreported = 0;
  #reportedAt: number | undefined;
  #hasWarned = false;

  constructor(events: Events) {
    this.#events = events;
  }

  /** Called twice per request, so a valid cookie costs one comparison and one addition. */
  note(cookie: Presented<unknown>, now: number): void {
    if (cookie.kind === "valid") this.#partAt(now).fitting++;
    else if (cookie.kind === "malformed" && cookie.looksRight) this.#noteUnknown(now);
  }

  #noteUnknown(now: number): void {
    this.#partAt(now).unknown++;
    this.#unreported++;
    const isDue =
      this.#reportedAt === undefined || now < this.#reportedAt || now - this.#reportedAt >= MINUTE;
    if (isDue) {
      this.#events.emit("unknownKeyCookies", { at: now, count: this.#unreported });
      this.#unreported = 0;
      this.#reportedAt = now;
    }
    if (!this.#hasWarned) this.#warnIfMany();
  }

  /** Any client can make up a cookie that looks right: psession warns only if more of these come than of valid ones. */
  #warnIfMany(): void {
    const fitting = this.#parts.reduce((sum, part) => sum + part.fitting, 0);
    const unknown = this.#parts.reduce((sum, part) => sum + part.unknown, 0);
    if (unknown < LEAST || unknown <= fitting) return;
    this.#hasWarned = true;
    warn(
      "PSESSION_UNKNOWN_KEY",
      `Of ${fitting + unknown} cookies of the last hour that look like psession's, ${unknown} fit none of its keys: ` +
        "their visitors are signed out. If keys, realm, or the name, domain or path of cookies were changed, that is " +
        "why; put the old key behind the new one. Otherwise a client is sending made-up cookies.",
    );
  }

  #partAt(now: number): Seen {
    const passed = Math.floor((now - this.#partBegan) / PART);
    if (passed !== 0) {
      // A clock that was set back, as well as an hour of silence, begins anew.
      const kept = passed > 0 && passed < PARTS ? this.#parts.slice(0, PARTS - passed) : [];
      this.#parts = [...noneIn(PARTS - kept.length), ...kept];
      this.#partBegan = kept.length === 0 ? now : this.#partBegan + passed * PART;
    }
    return this.#parts[0] as Seen;
  }
}

const noneIn = (parts: number): Seen[] => Array.from({ length: parts }, () => ({ fitting: 0, unknown: 0 }));
