import { type Answer, decodeAnswer, type Missing } from "./changes.ts";
import { scripts } from "./lua/index.ts";
import { numberOf } from "./replies.ts";
import type { Server } from "./server.ts";

/** Writes to an index of a user; gives how many handles it has. */
export async function writeIndex(
  server: Server,
  { index, deadline: until, handles }: Missing,
  deadline: number,
): Promise<number> {
  const args = [String(until), ...handles];
  return numberOf(await server.run(scripts.index, [server.keys.index(index)], args, deadline));
}

/** Where indexes lie elsewhere than rows: what was written to each, by its name. */
export type Written =
  | { apart: true; indexed: Record<string, Omit<Missing, "index">> }
  | Record<string, never>;

/**
 * Runs a script that needs indexes written first. In a cluster only the row may know its user, or until when its login
 * runs: then the script returns that, has done nothing, and is run again. `expected`: what was written so far.
 */
export async function withIndexes(
  server: Server,
  deadline: number,
  expected: readonly Missing[],
  run: (written: Written) => Promise<unknown>,
  write: (missing: Missing) => Promise<unknown> = (missing) => writeIndex(server, missing, deadline),
): Promise<Exclude<Answer, { missing: Missing }>> {
  const indexed = Object.fromEntries(expected.map(({ index, ...rest }) => [index, rest]));
  const written: Written = server.isCluster ? { apart: true, indexed } : {};
  while (true) {
    const answer = decodeAnswer(await run(written));
    if (!("missing" in answer)) return answer;
    await write(answer.missing);
    const { index, ...rest } = answer.missing;
    indexed[index] = rest;
  }
}
