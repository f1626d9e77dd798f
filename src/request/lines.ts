import { PsessionError } from "../errors.ts";
import { Turns } from "../stores/turns.ts";

/** The default timeout of stores over a connection. No turn is waited for any longer. */
export const LONGEST_TURN = 5_000;

/**
 * Lets commits of one row through one by one, for as long as any is there. Where the store fails or hangs, all waiting
 * commits go at once: one after the other, each would wait for a timeout of its own.
 */
export class Lines {
  readonly #turns = new Turns();
  /** The latest version of a row that a turn has seen. */
  readonly #versions = new Map<string, number>();

  /** Whether commits in the line have already made a newer version: an attempt would fail. */
  areAhead(row: string, version: number): boolean {
    return version < (this.#versions.get(row) ?? version);
  }

  sawVersion(row: string, version: number): void {
    if (this.#turns.has(row)) this.#versions.set(row, Math.max(this.#versions.get(row) ?? -1, version));
  }

  async take<T>(row: string, work: () => Promise<T>): Promise<T> {
    const turn = await this.#turns.enter(row);
    const limit = setTimeout(turn.dissolve, LONGEST_TURN).unref();
    try {
      return await work();
    } catch (error) {
      if (error instanceof PsessionError && error.code === "store_unavailable") turn.dissolve();
      throw error;
    } finally {
      clearTimeout(limit);
      turn.end();
      if (!this.#turns.has(row)) this.#versions.delete(row);
    }
  }
}
