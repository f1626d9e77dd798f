import { PsessionError } from "../errors.ts";
import { driverError } from "../stores/messages/driver-error.ts";
import { type AttemptLimiter, forget, giveBack, type Subject, type Taken, take } from "./counters.ts";
import { guarded, persistently } from "./guarded.ts";
import { type MadeLimiter, makeLimiter, memoryLimiter } from "./limiters.ts";
import type { AttemptSettings } from "./options.ts";

const PRUNE_EVERY = 5 * 60_000;

/** What was taken, and where it was counted. */
export type Taking = Taken & { readonly limiter: AttemptLimiter };

/** The application's counters, and those in memory that stand in for them. */
export class Counting {
  readonly #settings: AttemptSettings;
  /** Made at the first attempt; again where that failed. */
  #made: Promise<MadeLimiter> | undefined;
  #memory: AttemptLimiter | undefined;
  #pruneAt = Date.now() + PRUNE_EVERY;

  constructor(settings: AttemptSettings) {
    this.#settings = settings;
  }

  /** Throws where the counters cannot be reached and nothing else may count; `report` gets every such fault. */
  async take(subjects: readonly Subject[], report: (fault: PsessionError) => void): Promise<Taking> {
    try {
      const limiter = await this.#limiter();
      return { ...(await take(limiter, subjects)), limiter };
    } catch (error) {
      const fault = faultOf(error);
      report(fault);
      if (this.#settings.whenDown === "refuse") throw fault;
    }
    this.#memory ??= memoryLimiter();
    return { ...(await take(this.#memory, subjects)), limiter: this.#memory };
  }

  /** A sign-in does not fail because its failures cannot be forgotten. */
  async giveBack(taking: Taking, report: (fault: PsessionError) => void): Promise<void> {
    if (!("counted" in taking)) return;
    try {
      await giveBack(taking.limiter, taking.counted);
    } catch (error) {
      report(faultOf(error));
    }
  }

  async forget(subjects: readonly Subject[]): Promise<void> {
    try {
      const limiter = await this.#limiter();
      for (const limited of [limiter, this.#memory ?? []].flat())
        await Promise.all(subjects.map((subject) => forget(limited, subject)));
    } catch (error) {
      throw faultOf(error);
    }
  }

  async #limiter(): Promise<AttemptLimiter> {
    const { timeout } = this.#settings;
    this.#made ??= persistently(() => makeLimiter(this.#settings), timeout).catch((error) => {
      this.#made = undefined;
      throw error;
    });
    const made = await this.#made;
    this.#prune(made);
    return guarded(made, timeout);
  }

  /** By and by, as attempts come: no timer keeps a database busy, or fails where nobody hears of it. */
  #prune(made: MadeLimiter): void {
    const now = Date.now();
    if (now < this.#pruneAt) return;
    this.#pruneAt = now + PRUNE_EVERY;
    made.clearExpired?.(now).catch(() => {});
  }
}

function faultOf(error: unknown): PsessionError {
  if (error instanceof PsessionError) return error;
  const cause = driverError(error);
  const reason = cause.message.replace(/\.$/, "");
  return new PsessionError("store_unavailable", `The counters of sign-in attempts failed: ${reason}.`, {
    cause,
  });
}
