import * as v from "valibot";
import { checkedOptions } from "../checks/faults.ts";
import { boundIdOf, readBound } from "../protocol/bound.ts";
import { newId } from "../protocol/secrets.ts";
import { markAt, markOfUser } from "../request/marks.ts";
import { endingOf, handleOfLogin } from "../request/rows.ts";
import type { Core } from "../request/state.ts";
import type { UserId } from "../stores/store.ts";
import type { AuditRecorder } from "./audit.ts";

/** How a user is erased: `psession.eraseUser`. */
export interface EraseOptions {
  /**
   * What becomes of the user's entries in the audit trail: "delete", or "pseudonym", which keeps event and time, and one
   * random handle for all of them. Default: "delete".
   */
  audit?: "delete" | "pseudonym" | undefined;
}

/** How much there was of a user who was erased. */
export interface Erased {
  /** Sessions, sign-ins that had begun, and trust in browsers. */
  readonly sessions: number;
  /** Remembered logins, and what was left of ended ones. */
  readonly logins: number;
  /** Entries of the audit trail. Undefined where they are in a sink of the application's own that has no `erase`. */
  readonly audit: number | undefined;
}

const schema = v.strictObject({
  audit: v.optional(v.picklist(["delete", "pseudonym"], 'must be "delete" or "pseudonym"'), "delete"),
});

/** Not inferred: types of the checks are not published. */
type Checked = { readonly audit: NonNullable<EraseOptions["audit"]> };

export const checkedErase = (options: EraseOptions): Checked =>
  checkedOptions("psession.eraseUser", schema, options);

export async function eraseUser(
  core: Core,
  recorder: AuditRecorder | undefined,
  userId: UserId,
  { audit: entries }: Checked,
): Promise<Erased> {
  const { settings, events } = core;
  const { clock, times, store, realm, audit } = settings;
  // What waits is counted, or kept under the pseudonym.
  await recorder?.flush();
  const now = clock.now();
  // What a server whose clock is ahead has dated later was before this.
  const at = now + times.skew;
  const mark = markAt(markOfUser(userId), at, settings);
  await endKeys(core, userId);
  const result = await store.apply({ kind: "erase", userId, mark });
  const ended = result.done ? result.ended : [];
  const count = (ids: readonly (string | undefined)[]) => ids.filter((id) => id !== undefined).length;
  const pseudonym = newId(realm);
  let erasedEntries: number | undefined = 0;
  if (audit !== undefined) {
    recorder?.forget(userId);
    // What is being appended to a sink that knows no marks.
    await recorder?.flush();
    // What some process has not appended until then is older than entries are kept.
    const until = at + audit.keep + times.skew;
    const erasure = { userId, realm, at, until, entries, pseudonym } as const;
    erasedEntries = await audit.sink.erase?.(erasure);
  }
  const erased = {
    sessions: count(ended.map(({ sessionId }) => sessionId)),
    logins: count(ended.map(({ rememberedId }) => rememberedId)),
    audit: erasedEntries,
  };
  const isKept = entries === "pseudonym" && erasedEntries !== undefined && erasedEntries > 0;
  events.emit("userErased", { at: now, ...erased, pseudonym: isKept ? pseudonym : undefined });
  return erased;
}

/**
 * The keys that the user's browsers have registered. Their records name nobody, so the rows that lead to them are still
 * there: where this fails, it is done again with the rest.
 */
async function endKeys({ settings }: Core, userId: UserId): Promise<void> {
  const { store, deviceBound, clock } = settings;
  if (deviceBound === undefined) return;
  const { sessions, logins } = await store.rowsOf(userId);
  const ids = new Set([
    ...sessions.flatMap(({ bound }) => readBound(bound)?.id ?? []),
    ...logins.map((login) => boundIdOf(handleOfLogin(login))),
  ]);
  for (const id of ids)
    await store.apply({
      kind: "end",
      end: [endingOf({ id, userId: undefined }, "erased", clock.now(), settings)],
    });
}

/** Whether anything names this user: perhaps the id was given as the wrong type. */
export async function hasRows({ settings: { store } }: Core, userId: UserId): Promise<boolean> {
  const { sessions, logins } = await store.rowsOf(userId);
  return sessions.length + logins.length > 0;
}
