import * as v from "valibot";
import { checkedOptions, invalidOptions } from "../checks/faults.ts";
import { isId, isText, textOf } from "../checks/given.ts";
import { isEventName } from "../events.ts";
import type { Actor } from "../protocol/actor.ts";
import type { Core } from "../request/state.ts";
import { type AuditEntry, newAuditId } from "../stores/audit.ts";
import { byActor } from "../stores/erasure.ts";
import type { UserId } from "../stores/store.ts";

/** An entry of the application's own in the audit trail: `psession.audit.add`. */
export interface OwnAuditEntry {
  /** What happened, such as "login_failed": text of 1 to 64 characters, none of psession's own events. */
  event: string;
  /** Whose account it concerns. Default: the user of `session`, if one is signed in. */
  userId?: UserId | undefined;
  /** The session of the request that it happened in: for the address, the device and who acts as the user. */
  session?: EntrySession | undefined;
  /** The device it happened to. Default: that of `session`, if a user is signed in there. */
  handle?: string | undefined;
  /** Default: the address of `session`. */
  address?: string | undefined;
  /** One word more, or a few: text of 1 to 255 characters. */
  detail?: string | undefined;
}

/** What an entry needs of a session, as handlers get it. */
export interface EntrySession {
  readonly userId: UserId | undefined;
  readonly isSignedIn: boolean;
  readonly handle: string;
  readonly actor: Actor | undefined;
}

const LONGEST_EVENT = 64;
const LONGEST_DETAIL = 255;
const LONGEST_ADDRESS = 64;

const text = (longest: number) =>
  v.optional(v.custom<string>((value) => isText(value, longest), `must be ${textOf(longest)}`));

const schema = v.strictObject({
  event: v.custom<string>((value) => isText(value, LONGEST_EVENT), `must be ${textOf(LONGEST_EVENT)}`),
  // Checked against the store's kind of ids, and against this psession's sessions, where they are known.
  userId: v.optional(v.any()),
  session: v.optional(v.any()),
  handle: v.optional(
    v.custom<string>((value) => typeof value === "string" && isId(value), "must be the handle of a device"),
  ),
  address: text(LONGEST_ADDRESS),
  detail: text(LONGEST_DETAIL),
});

/** Everything wrong with it is named: a misspelt `userId` would be an entry of nobody's. */
export function checkedEntry(given: OwnAuditEntry): OwnAuditEntry {
  const entry = checkedOptions("psession.audit.add", schema, given) as OwnAuditEntry;
  if (isEventName(entry.event))
    throw invalidOptions("psession.audit.add", [
      `event must not be ${JSON.stringify(entry.event)}: that is an event of psession's own`,
    ]);
  return entry;
}

/** `origin`: where the request of the session came from. */
export function ownEntry(
  { settings }: Core,
  { event, userId, session, handle, address, detail }: OwnAuditEntry,
  origin: string | undefined,
): AuditEntry {
  const at = settings.clock.now();
  const actorId = session?.actor?.userId;
  const by = actorId === undefined ? undefined : byActor(actorId);
  const isDevice = session?.isSignedIn === true;
  return {
    id: newAuditId(at, settings.realm),
    at,
    event,
    userId: userId ?? session?.userId,
    actorId,
    handle: handle ?? (isDevice ? session.handle : undefined),
    address: address ?? origin,
    detail: [by, detail].filter((part) => part !== undefined).join(": ") || undefined,
  };
}
