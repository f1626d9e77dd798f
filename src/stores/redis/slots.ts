import { shardKeyOf } from "../../protocol/secrets.ts";
import type { Server } from "./server.ts";

/** Handles of one script on a single server: others wait while it runs. */
const PART = 256;
/** Scripts at once in a cluster, where each handle may be of another slot. */
const MOST_AT_ONCE = 64;

/**
 * Runs one script per slot, some at once; on a single server one after another, each for a part. Ids of one shard key stay
 * together, so that a device is of one part. Where some fail the others have done their part: a retry does the rest.
 */
export async function perSlot(
  server: Server,
  handles: readonly string[],
  run: (key: string, handles: readonly string[]) => Promise<unknown>,
): Promise<unknown[]> {
  const byShardKey = [...Map.groupBy(handles, (handle) => shardKeyOf(handle.slice(2))).values()];
  const parts = server.isCluster ? byShardKey : partsOf(byShardKey);
  const size = server.isCluster ? MOST_AT_ONCE : 1;
  const results: PromiseSettledResult<unknown>[] = [];
  for (let at = 0; at < parts.length; at += size) {
    const wave = parts.slice(at, at + size);
    const runs = wave.map((part) => run(server.keys.session(part[0]?.slice(2) ?? ""), part));
    results.push(...(await Promise.allSettled(runs)));
  }
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

function partsOf(byShardKey: readonly (readonly string[])[]): string[][] {
  const parts: string[][] = [];
  let part: string[] = [];
  for (const handles of byShardKey) {
    if (part.length > 0 && part.length + handles.length > PART) part = [];
    if (part.length === 0) parts.push(part);
    part.push(...handles);
  }
  return parts;
}
