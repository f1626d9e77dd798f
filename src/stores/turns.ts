/** One's turn, until it ends. Ending it a second time does nothing. */
export interface Turn {
  readonly end: () => void;
  /** Lets all that wait go at once. */
  readonly dissolve: () => void;
}

type Line = Set<() => void>;

/** Lets work of one name through one by one, in the order in which it came. */
export class Turns {
  /** By name, those that wait behind whoever has the turn. */
  readonly #lines = new Map<string, Line>();

  has(name: string): boolean {
    return this.#lines.has(name);
  }

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = await this.enter(name);
    try {
      return await work();
    } finally {
      turn.end();
    }
  }

  /** Waits for a turn; undefined where none came within `longest` milliseconds. */
  enter(name: string): Promise<Turn>;
  enter(name: string, longest: number): Promise<Turn | undefined>;
  async enter(name: string, longest?: number): Promise<Turn | undefined> {
    const before = this.#lines.get(name);
    if (before !== undefined) return (await hasTurn(before, longest)) ? this.#turn(name, before) : undefined;
    const line: Line = new Set();
    this.#lines.set(name, line);
    return this.#turn(name, line);
  }

  #turn(name: string, line: Line): Turn {
    let isOver = false;
    const over = (work: () => void) => () => {
      // Others may have begun a line of this name since it was dissolved.
      if (!isOver && this.#lines.get(name) === line) work();
      isOver = true;
    };
    return {
      end: over(() => {
        const [next] = line;
        if (next === undefined) this.#lines.delete(name);
        else next();
      }),
      dissolve: over(() => {
        this.#lines.delete(name);
        for (const go of line) go();
      }),
    };
  }
}

function hasTurn(line: Line, longest: number | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const leave = (has: boolean) => () => {
      line.delete(go);
      clearTimeout(timer);
      resolve(has);
    };
    const go = leave(true);
    const timer = longest === undefined ? undefined : setTimeout(leave(false), Math.max(0, longest));
    line.add(go);
  });
}
