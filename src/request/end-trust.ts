import type { RequestOrigin } from "../events.ts";
import { revoke } from "../stores/changes.ts";
import { isTrust } from "../stores/devices.ts";
import type { RevocationReason, UserId } from "../stores/store.ts";
import { tombstoneUntil } from "./rows.ts";
import type { Core } from "./state.ts";

/** Ends the trust of a user in all browsers, or in that of the device of these handles. */
export async function endTrust(
  { settings, events }: Core,
  userId: UserId,
  reason: RevocationReason,
  handles?: readonly (string | undefined)[],
  request?: RequestOrigin,
): Promise<void> {
  const { store, clock } = settings;
  const at = clock.now();
  const pruneAfter = tombstoneUntil(at, settings);
  for (const entry of await store.list(userId)) {
    const { session } = entry;
    if (session === undefined || !isTrust(entry)) continue;
    if (handles?.includes(session.handle) === false) continue;
    const ended = await revoke(store, { handle: session.id, userId, reason, at, pruneAfter });
    if (ended.length > 0) events.emit("revoked", { at, userId, handle: session.id, reason, request });
  }
}
