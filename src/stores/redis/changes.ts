import { randomBytes } from "node:crypto";
import { shardKeyOf } from "../../protocol/secrets.ts";
import { beforeSnapshot } from "../../protocol/snapshot.ts";
import { handleIn } from "../endings.ts";
import type {
  ChangeParts,
  ChangeResult,
  Conflict,
  Ended,
  Ending,
  EndSelector,
  RememberedUse,
  Touch,
  UserEntry,
  UserId,
} from "../store.ts";
import type { Keys } from "./keys.ts";
import { listOf, misread, numberOf, textsOf, wordOf } from "./replies.ts";
import {
  decodeLogin,
  decodeSession,
  decodeUser,
  encodeUser,
  type HeadChange,
  loginHead,
  newLoginHead,
  newSessionHead,
  readLogin,
  readSession,
  sessionHead,
  tombstone,
} from "./rows.ts";

/**
 * Names a call among all that any process ever makes. It is no secret, and random bytes for each call would take
 * longer than all the rest here.
 */
let processName: string | undefined;
let calls = 0;
export function nextCall(): string {
  processName ??= randomBytes(9).toString("base64url");
  return `${processName}${(++calls).toString(36)}`;
}
// Processes that start from one snapshot would otherwise take each other's calls for their own.
beforeSnapshot(() => {
  processName = undefined;
});

/** A change as its script reads it, and the data of its session, which travels beside it. */
export function encodeChange(change: ChangeParts): { change: Record<string, unknown>; data: string } {
  const { proof, rotate, hold, stray, remember, insert, update, use, end, caps } = change;
  const data = insert?.data ?? update?.set.data;
  return {
    change: {
      proof: proof && { marks: proof.marks, at: String(proof.provedAt) },
      stray: stray && { id: stray.id, ge: String(stray.generation), max: String(stray.max) },
      rotate: rotate && { id: rotate.id, ge: String(rotate.generation), set: encodeRotation(rotate) },
      hold: hold && { id: hold.id, ge: String(hold.generation) },
      remember: remember && { id: remember.id, head: newLoginHead(remember) },
      insert: insert && { id: insert.id, head: newSessionHead(insert) },
      update: update && {
        id: update.id,
        ve: String(update.version),
        set: { ...sessionHead(update.set), ve: String(update.version + 1) },
      },
      use: use && encodeUse(use),
      end: end?.map(encodeEnding),
      caps: caps?.map((cap) => ({
        user: encodeUser(cap.userId),
        tag: cap.tag,
        realm: cap.realm,
        max: cap.max,
        refuses: cap.overflow === "refuse",
        at: String(cap.at),
        tombstone: tombstone(cap),
      })),
      has_data: data !== undefined,
      by: nextCall(),
    },
    data: data ?? "",
  };
}

/** A rotated login is of the next generation, and its token is unconfirmed. */
export const encodeRotation = ({ generation, set }: NonNullable<ChangeParts["rotate"]>): HeadChange => ({
  ...loginHead(set),
  ge: String(generation + 1),
  ca: null,
});

export function encodeTouch({ sessionId, lastSeenAt, idleDeadline, pruneAfter, remembered }: Touch) {
  const set = { lastSeenAt, pruneAfter, ...(idleDeadline === undefined ? {} : { idleDeadline }) };
  return { id: sessionId, set: sessionHead(set), use: remembered && encodeUse(remembered) };
}

function encodeUse(use: RememberedUse) {
  const { id, confirm } = use;
  return {
    id,
    set: usedHead(use),
    confirm: confirm && {
      ge: String(confirm.generation),
      to: loginHead({ token: confirm.token })["to"],
      at: String(confirm.at),
    },
  };
}

export const usedHead = ({ lastUsedAt, idleDeadline, pruneAfter }: RememberedUse): HeadChange =>
  loginHead({ lastUsedAt, idleDeadline, pruneAfter });

function encodeEnding(ending: Ending) {
  const { session, login } = ending;
  const { token, orOfUser, misfit } = login ?? {};
  return {
    session: session?.id,
    us: session === undefined || session.userId === null ? undefined : encodeUser(session.userId),
    se: session?.secret && sessionHead({ secret: session.secret })["se"],
    login: login?.id,
    to: token && loginHead({ token })["to"],
    owner: orOfUser === undefined ? undefined : encodeUser(orOfUser),
    misfit: misfit && {
      kind: misfit.kind,
      ge: String(misfit.generation),
      to: misfit.kind === "forked" ? loginHead({ token: misfit.token })["to"] : undefined,
    },
    tombstone: tombstone(ending),
  };
}

/** The sessions and logins that a change names, its endings apart. */
export function idsOf({ rotate, hold, stray, remember, insert, update, use }: Omit<ChangeParts, "end">) {
  const given = (ids: readonly (string | undefined)[]) => ids.filter((id) => id !== undefined);
  return {
    sessions: given([insert?.id, update?.id]),
    logins: given([
      rotate?.id,
      hold?.id,
      stray?.id,
      remember?.id,
      insert?.rememberedId,
      update?.set.rememberedId,
      use?.id,
    ]),
  };
}

/** The tags whose indexes a change may write or look at. */
export const tagsOf = ({
  remember,
  insert,
  update,
  caps = [],
}: ChangeParts): readonly (string | undefined)[] => [
  remember?.tag,
  insert?.tag,
  update?.set.tag,
  ...caps.map(({ tag }) => tag),
];

/** An ending as its script reads it. `owned`: the handle is the user's, whatever its row says. */
export const encodeOrder = (selector: EndSelector, owned?: boolean): string => {
  const { handle, userId, except, realm, lastUsedBefore } = selector;
  return JSON.stringify({
    handle,
    owned,
    user: userId === undefined ? undefined : encodeUser(userId),
    except,
    realm,
    before: lastUsedBefore === undefined ? undefined : String(lastUsedBefore),
    tombstone: tombstone(selector),
  });
};

/** The keys of rows that a change names. */
export function rowKeys(change: ChangeParts, keys: Keys): string[] {
  const { sessions, logins } = idsOf(change);
  const ends = change.end ?? [];
  const all = new Set([
    ...[...sessions, ...ends.flatMap(({ session }) => session?.id ?? [])].map((id) => keys.session(id)),
    ...[...logins, ...ends.flatMap(({ login }) => login?.id ?? [])].map((id) => keys.login(id)),
  ]);
  return [...all];
}

/** What changes together has to lie together, or no script could reach it all in a cluster. */
export function assertSiblings(ids: readonly string[]): void {
  if (new Set(ids.map(shardKeyOf)).size <= 1) return;
  throw new Error(
    "A session and its remembered login must begin with the same six characters (newSiblingId); these ids do not.",
  );
}

export type Answer = ChangeResult | { readonly missing: Missing };

/** What an index has to have, which is named without the prefix. */
export interface Missing {
  readonly index: string;
  readonly deadline: number;
  readonly handles: readonly string[];
}

const CONFLICTS = [
  "rotation",
  "exists",
  "stale",
  "missing",
  "full",
  "outdated",
  "strayed",
] as const satisfies Conflict[];

/** Of a script that says "done" or "conflict". */
export function decodeResult([word, ...rest]: readonly string[]): ChangeResult {
  if (wordOf(word, ["done", "conflict"]) === "done") return { done: true, ended: decodeEnded(rest) };
  return { done: false, conflict: wordOf(rest[0], CONFLICTS) };
}

export function decodeAnswer(reply: unknown): Answer {
  const words = textsOf(reply);
  if (words[0] !== "index") return decodeResult(words);
  const [, index = "", deadline, ...handles] = words;
  return { missing: { index, deadline: numberOf(deadline), handles } };
}

/** Six words each: session, login, user, reason, handle, "record"; empty for none. */
export function decodeEnded(words: readonly string[]): Ended[] {
  if (words.length % 6 !== 0) throw misread("a list of another length came");
  const ended: Ended[] = [];
  for (let at = 0; at < words.length; at += 6) {
    const [session, login, user, reason = "", handle, kind] = words.slice(at, at + 6);
    ended.push({
      sessionId: session || undefined,
      rememberedId: login || undefined,
      userId: user ? decodeUser(user) : undefined,
      reason,
      ...handleIn({ handle: handle || undefined }),
      ...(kind === "record" && { isRecord: true as const }),
    });
  }
  return ended;
}

export interface Listing {
  readonly entries: UserEntry[];
  /** Handles in the index that lead to no device of the user. */
  readonly stale: string[];
  /** Those of them that lead to tombstones, with until when these are kept. */
  readonly tombstones: ReadonlyMap<string, number>;
}

/** `ofList`: the user whose list it is. */
export function decodeListing(reply: unknown, ofList?: UserId): Listing {
  const [stale, found, ended = []] = listOf(reply);
  const words = textsOf(found);
  if (words.length % 4 !== 0) throw misread("a list of another length came");
  const entries: UserEntry[] = [];
  for (let at = 0; at < words.length; at += 4) {
    const [sessionId = "", session = "", loginId = "", login = ""] = words.slice(at, at + 4);
    const row = loginId === "" ? undefined : readLogin(loginId, login, ofList);
    if (sessionId !== "") entries.push({ session: readSession(sessionId, session, ofList), login: row });
    else if (row !== undefined) entries.push({ session: undefined, login: row });
  }
  const tombstones = new Map<string, number>();
  const pairs = textsOf(ended);
  for (let at = 0; at < pairs.length; at += 2) tombstones.set(pairs[at] ?? "", numberOf(pairs[at + 1]));
  return { entries, stale: textsOf(stale), tombstones };
}

/** Id of a login's session and both rows; a session that names another login has moved on to that. */
export function decodeFound(id: string, reply: unknown) {
  if (reply === null) return undefined;
  const [login = "", sessionId = "", raw = ""] = textsOf(reply);
  const session = raw === "" ? undefined : decodeSession(sessionId, raw);
  return { login: decodeLogin(id, login), session: session?.rememberedId === id ? session : undefined };
}
