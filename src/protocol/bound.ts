import { hash } from "node:crypto";
import { randomness } from "./randomness.ts";
import { type KeyRing, newSecret, realmOf, shardKeyOf } from "./secrets.ts";

/*
 * Device-bound sessions: the browser holds a private key, and proves so every few minutes. A session's row says that it is
 * bound, and to which record; the record is a row of its own, of level `binding`, which has the public key and the
 * challenges. The cookie that the browser gets for a proof says itself until when it counts, so no request reads the
 * record.
 */

/** What a session's row says of the key that it is bound to. */
export interface Bound {
  /** Of the record of the key. */
  readonly id: string;
  /** Since when, in epoch milliseconds: the registration, or the first request with the short cookie. */
  readonly at: number;
  /**
   * The browser has sent the short cookie, so it has got the answer to its registration. Before that nothing is asked of it:
   * where that answer was lost, it has no key to prove.
   */
  readonly isConfirmed: boolean;
}

const UNCONFIRMED = "new";

export const writeBound = ({ id, at, isConfirmed }: Bound): string =>
  [id, at.toString(36), ...(isConfirmed ? [] : [UNCONFIRMED])].join(".");

/** Written so that what cannot be read is bound, to a key that nobody has. */
export function readBound(text: string | undefined): Bound | undefined {
  if (text === undefined) return undefined;
  const [id = "", at = "", state] = text.split(".");
  const since = Number.parseInt(at, 36);
  return { id, at: Number.isNaN(since) ? 0 : since, isConfirmed: state !== UNCONFIRMED };
}

/** As `readBound`, but not of a browser that has not been heard of since it registered a key: nothing is asked of it yet. */
export function boundNow(text: string | undefined): Bound | undefined {
  const bound = readBound(text);
  return bound?.isConfirmed === true ? bound : undefined;
}

/**
 * The record of a remembered login, by the handle that its device keeps: it is found where the session's row was lost, and
 * a login has one.
 */
export const boundIdOf = (handle: string): string =>
  shardKeyOf(handle) +
  hash("sha256", `psession/1/bound/${handle}`, "base64url").slice(0, 12) +
  realmOf(handle);

/** Algorithms that browsers are asked for: some hardware has RSA keys only. */
export const ALGORITHMS = ["ES256", "RS256"] as const;

/** A public key, as a browser registered it. */
export interface BoundKey {
  readonly alg: (typeof ALGORITHMS)[number];
  /** Its public members, and no others. */
  readonly jwk: Readonly<Record<string, string>>;
}

/** What is kept of a key, as the data of its record. */
export interface BoundRecord extends BoundKey {
  /** The session that is bound to it. */
  readonly sessionId: string;
  /** The challenge that the browser is to sign next, since when, and the one before. */
  readonly challenge: string;
  readonly challengedAt: number;
  readonly previous?: string | undefined;
  /** How often the browser has proved that it holds the key. */
  readonly refreshes: number;
  /** The session's row says that it is bound to this key: no other one may take its place. */
  readonly isMarked?: true;
  /** The browser has shown the short cookie; as in the row of its session, for where that is lost. */
  readonly isConfirmed?: true;
}

export const isConfirmedRecord = ({ refreshes, isConfirmed }: BoundRecord): boolean =>
  isConfirmed === true || refreshes > 0;

export const writeRecord = (record: BoundRecord): string => JSON.stringify(record);
export const readRecord = (data: string): BoundRecord => JSON.parse(data) as BoundRecord;

/** 256 random bits. */
export const newChallenge = (): string => newSecret().toString("base64url");

/** What the short cookie says: the record, when the key was proved, and until when that counts. */
export interface BoundProof {
  readonly id: string;
  readonly at: number;
  readonly until: number;
}

const NONCE = 6;
const COOKIE =
  /^([A-Za-z0-9_-]{22})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.[A-Za-z0-9_-]{8}\.([A-Za-z0-9_-]{22})$/;

/** Another value each time: to a browser the same one would be no refresh, and end its session. */
export function boundCookieValue({ id, at, until }: BoundProof, keys: KeyRing): string {
  const nonce = randomness.take(NONCE).toString("base64url");
  const text = `${id}.${at.toString(36)}.${until.toString(36)}.${nonce}`;
  return `${text}.${keys.sign("bound", text)}`;
}

export function readBoundCookie(value: string, keys: KeyRing): BoundProof | undefined {
  const [text, id, at, until, mac] = COOKIE.exec(value) ?? [];
  if (text === undefined || id === undefined || at === undefined || until === undefined || mac === undefined)
    return undefined;
  if (!keys.verify("bound", text.slice(0, -1 - mac.length), mac)) return undefined;
  return { id, at: Number.parseInt(at, 36), until: Number.parseInt(until, 36) };
}

/** How long a browser may take to register a key after the sign-in. */
export const REGISTRATION_LIFE = 120_000;
const OFFER = /^([0-9a-z]{1,11})\.[A-Za-z0-9_-]{22}\.([A-Za-z0-9_-]{22})$/;

/** The session that a key may be registered for, and how often its secret was exchanged by a proof. */
export interface Offered {
  readonly sessionId: string;
  readonly fence: number;
}

/**
 * The challenge of a registration. Only the answer to the sign-in has it, so who copied the cookies later cannot register a
 * key; and a session is bound once, so it counts once.
 */
export function newOffer({ sessionId, fence }: Offered, now: number, keys: KeyRing): string {
  const text = `${now.toString(36)}.${randomness.take(16).toString("base64url")}`;
  return `${text}.${keys.sign("offer", `${text}.${sessionId}.${fence}`)}`;
}

export function isOffer(
  challenge: string,
  { sessionId, fence }: Offered,
  { now, skew }: { readonly now: number; readonly skew: number },
  keys: KeyRing,
): boolean {
  const [text, at = "", mac = ""] = OFFER.exec(challenge) ?? [];
  if (text === undefined) return false;
  const since = Number.parseInt(at, 36);
  const isTimely = since <= now + skew && now <= since + REGISTRATION_LIFE + skew;
  return isTimely && keys.verify("offer", `${text.slice(0, -1 - mac.length)}.${sessionId}.${fence}`, mac);
}
