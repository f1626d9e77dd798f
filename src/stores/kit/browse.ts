import { shardKeyOf } from "../../protocol/secrets.ts";
import { cutPage, past } from "../browse.ts";
import type { BrowsePage, BrowseResult } from "../store.ts";
import { LOGINS, SESSIONS } from "./keys.ts";
import type { Steps } from "./transaction.ts";
import type { Work } from "./work.ts";

/** A page of devices. Rows of one shard key are read as a whole, so that no device comes twice. */
export function* browsed(work: Work, { after, limit }: BrowsePage): Steps<BrowseResult> {
  for (let size = limit + 1; ; size *= 2) {
    const parts: string[][] = [];
    for (const prefix of [SESSIONS, LOGINS]) {
      const range = { prefix, after: after === undefined ? undefined : prefix + past(after), limit: size };
      parts.push((yield* work.range(range)).map(([key]) => key));
    }
    // Where more follows, the last shard key may lack rows.
    const ends = parts.flatMap((keys) => (keys.length < size ? [] : shardKeyOf(keys.at(-1)?.slice(2) ?? "")));
    const end = ends.sort()[0];
    const whole = parts.flat().filter((key) => end === undefined || shardKeyOf(key.slice(2)) < end);
    const reached = whole
      .map((key) => shardKeyOf(key.slice(2)))
      .sort()
      .at(-1);
    if (end !== undefined && reached === undefined) continue;
    return cutPage(yield* work.devicesAt(new Set(whole)), limit, end === undefined ? undefined : reached);
  }
}

const CHUNK = 1000;

export function* counted(work: Work, prefix: string): Steps<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const keys = yield* work.range({ prefix, after, limit: CHUNK });
    count += keys.length;
    after = keys.length < CHUNK ? undefined : keys.at(-1)?.[0];
  } while (after !== undefined);
  return count;
}
