import { PsessionError } from "../errors.ts";

/** The default timeout of stores over a connection. A commit waits no longer for its turn. */
export const LONGEST_TURN = 5_000;

interface Line {
  readonly waiting: (() => void)[];
  timer: NodeJS.Timeout | undefined;
  /** The latest version of the row that a turn has seen. */
  version: number;
}

/**
 * Lets commits of one row through one by one, in the order in which they came, for as long as any is there. Where the
 * store fails or hangs, all waiting commits go at once: one after the other, each would wait for a timeout of its own.
 */
export class Lines {
  readonly #lines = new Map<string, Line>();

  /** Whether commits in the line have already made a newer version: an attempt would fail. */
  areAhead(row: string, version: number): boolean {
    return version < (this.#lines.get(row)?.version ?? version);
  }

  sawVersion(row: string, version: number): void {
    const line = this.#lines.get(row);
    if (line !== undefined) line.version = Math.max(line.version, version);
  }

  async take<T>(row: string, work: () => Promise<T>): Promise<T> {
    const line = await this.#join(row);
    let isOutage = false;
    try {
      return await work();
    } catch (error) {
      isOutage = error instanceof PsessionError && error.code === "store_unavailable";
      throw error;
    } finally {
      if (isOutage) this.#dissolve(row, line);
      else this.#next(row, line);
    }
  }

  async #join(row: string): Promise<Line> {
    const line = this.#lines.get(row);
    if (line === undefined) {
      const begun: Line = { waiting: [], timer: undefined, version: -1 };
      this.#lines.set(row, begun);
      return begun;
    }
    await new Promise<void>((go) => {
      line.waiting.push(go);
      line.timer ??= this.#limit(row, line);
    });
    return line;
  }

  #next(row: string, line: Line): void {
    // It was dissolved while this turn took its time.
    if (this.#lines.get(row) !== line) return;
    clearTimeout(line.timer);
    const go = line.waiting.shift();
    line.timer = line.waiting.length === 0 ? undefined : this.#limit(row, line);
    if (go === undefined) this.#lines.delete(row);
    else go();
  }

  #dissolve(row: string, line: Line): void {
    if (this.#lines.get(row) !== line) return;
    this.#lines.delete(row);
    clearTimeout(line.timer);
    for (const go of line.waiting) go();
  }

  #limit(row: string, line: Line): NodeJS.Timeout {
    return setTimeout(() => this.#dissolve(row, line), LONGEST_TURN).unref();
  }
}
