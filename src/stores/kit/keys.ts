import { hash } from "node:crypto";
import type { UserId } from "../store.ts";

/*
 * Where the kit keeps what. Names of users, locks and marks may be of any alphabet and length, which keys of databases
 * may not: so they are digests.
 */

const named = (text: string): string => hash("sha256", text, "base64url");

export const SESSIONS = "s/";
export const LOGINS = "l/";
export const TRAIL = "a/";
/** When rows were last pruned. */

export const sessionKey = (id: string): string => SESSIONS + id;
export const loginKey = (id: string): string => LOGINS + id;
export const lockKey = (name: string): string => `k/${named(name)}`;
export const markKey = (name: string): string => `m/${named(name)}`;
export const entryKey = (id: string): string => TRAIL + id;

/** The session that a login has: one at most. */
export const ownerKey = (loginId: string): string => `o/${loginId}`;

const userName = (userId: UserId): string => named(`${typeof userId} ${userId}`);

/** Of the keys of a user's sessions and unrevoked logins. */
export const userPrefix = (userId: UserId): string => `u/${userName(userId)}/`;
/** Of the keys of what else names the user: sign-ins that wait, sessions in which the user acts, ended logins. */
export const othersPrefix = (userId: UserId): string => `w/${userName(userId)}/`;
/** Of the ids of a user's audit entries. */
export const trailPrefix = (userId: UserId): string => `t/${userName(userId)}/`;
/** Of the ids of entries in which the user acted as another. */
export const actorPrefix = (userId: UserId): string => `b/${userName(userId)}/`;

/** Kinds of garbage, each in the order of when it is some. */
export type Garbage = "s" | "l" | "k" | "m";

const time = (at: number): string => String(Math.max(0, Math.ceil(at))).padStart(16, "0");

export const garbagePrefix = (kind: Garbage): string => `g/${kind}/`;
export const garbageBefore = (kind: Garbage, at: number): string => garbagePrefix(kind) + time(at);
/** The row's own key has the kind in front. */
export const garbageKey = (at: number, key: string): string => `g/${key[0]}/${time(at)}/${key}`;
export const keyOfGarbage = (key: string): string => key.slice("g/s/".length + 17);
