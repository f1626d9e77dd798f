import { clearLine, cursorTo } from "node:readline";

export interface Steps {
  next(what: string): void;
  done(): void;
}

/** Without a terminal, it reports progress this often. */
const SAYS_EVERY = 10_000;

/** One line that changes only with each step: an animation would take time from the measurement. */
export function showSteps(most: number): Steps {
  const output = process.stderr;
  const started = performance.now();
  let at = 0;
  let said = Number.NEGATIVE_INFINITY;
  const left = () => {
    if (at < 3) return "";
    const seconds = ((performance.now() - started) / 1000 / at) * Math.max(0, most - at);
    return seconds < 90 ? `, ${seconds.toFixed(0)} s left` : `, ${(seconds / 60).toFixed(0)} min left`;
  };
  const wipe = () => {
    cursorTo(output, 0);
    clearLine(output, 0);
  };
  return {
    next(what) {
      at++;
      const line = `${Math.min(100, Math.round((at / most) * 100))} %${left()}: ${what}`;
      if (output.isTTY) {
        wipe();
        output.write(line.slice(0, output.columns));
      } else if (performance.now() - said >= SAYS_EVERY) {
        said = performance.now();
        output.write(`${line}\n`);
      }
    },
    done() {
      if (output.isTTY) wipe();
      output.write(`done in ${((performance.now() - started) / 60_000).toFixed(1)} min\n`);
    },
  };
}
