import { type EventName, isEventName } from "../events.ts";

/** What an account's owner or the support asks about later. Uses of a session make no entry. */
export const AUDITED: readonly EventName[] = [
  "signInBegun",
  "login",
  "newDevice",
  // Those that are slowed are not: they cost an attacker nothing, and would fill the trail.
  "signInFailed",
  "reauthenticated",
  "trusted",
  "bound",
  "impersonationBegan",
  "impersonationEnded",
  "logout",
  "restored",
  "recovered",
  "theft",
  "moved",
  "revoked",
  "revokedEveryone",
  "userErased",
  "credentialChanged",
  "generationAhead",
];
export const AUDIT_KEEP = "90d";

/** Emitted by the recorder: auditing these would loop. */
const OF_AUDIT: ReadonlySet<string> = new Set<EventName>(["storeUnavailable", "auditLost"]);

export const isAuditable = (name: unknown): name is EventName => isEventName(name) && !OF_AUDIT.has(name);
