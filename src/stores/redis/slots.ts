import { tagOf } from "../../secrets.ts";
import type { Server } from "./server.ts";

/**
 * Runs one script per slot, all at once, or one for everything on a single server. Where some fail the others have
 * done their part: again does the rest.
 */
export async function perSlot(
  server: Server,
  handles: readonly string[],
  run: (key: string, handles: readonly string[]) => Promise<unknown>,
): Promise<unknown[]> {
  if (handles.length === 0) return [];
  const slots = server.isCluster
    ? [...Map.groupBy(handles, (handle) => tagOf(handle.slice(2))).values()]
    : [handles];
  const results = await Promise.allSettled(
    slots.map((ofSlot) => run(server.keys.session(ofSlot[0]?.slice(2) ?? ""), ofSlot)),
  );
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
