import { randomBytes } from "node:crypto";
import { type KeyRing, MARK_LENGTH } from "../protocol/secrets.ts";
import type { UserId } from "../stores/store.ts";
import {
  type CookieDefinition,
  type CookieInstruction,
  candidatesIn,
  MAX_AGE_LIMIT_SECONDS,
  onlyOne,
} from "./cookies.ts";

/** Users that one browser is known for; the one that signed in longest ago is forgotten first. */
const MOST_USERS = 5;
const SHAPE = new RegExp(`^([A-Za-z0-9_-]{22})((?:\\.[A-Za-z0-9_-]{${MARK_LENGTH}}){1,${MOST_USERS}})$`);

/** MACs of the users that a browser is known for: without the keys, a mark says neither user nor browser. */
export interface KnownDevice {
  readonly nonce: string;
  readonly marks: readonly string[];
}

/**
 * What the device cookie says, which outlives sessions: users who signed in on this browser before (OWASP's device
 * cookie). It is worth nothing as a credential. Malformed ones count as none, and of several cookies the one that
 * knows this user counts.
 */
export function readKnownDevice(
  header: string | undefined,
  name: string,
  userId: UserId,
  keys: KeyRing,
): { readonly device: KnownDevice | undefined; readonly isKnown: boolean } {
  const values = candidatesIn(header, name) ?? [];
  const known = onlyOne(values, (value) => {
    const device = deviceIn(value);
    return device !== undefined && isKnownFor(device, userId, keys) ? device : undefined;
  });
  const [only, ...others] = values;
  const device = only === undefined || others.length > 0 ? undefined : deviceIn(only);
  return { device: known ?? device, isKnown: known !== undefined };
}

function deviceIn(value: string): KnownDevice | undefined {
  const [, nonce, marks] = SHAPE.exec(value) ?? [];
  return nonce === undefined || marks === undefined ? undefined : { nonce, marks: marks.slice(1).split(".") };
}

const isKnownFor = ({ nonce, marks }: KnownDevice, userId: UserId, keys: KeyRing): boolean =>
  marks.some((mark) => keys.verifyMark(textOf(nonce, userId), mark));

/** The cookie by which the browser is known for this user from now on, and for others as before. */
export function knownDeviceCookie(
  definition: CookieDefinition,
  device: KnownDevice | undefined,
  userId: UserId,
  keys: KeyRing,
): CookieInstruction {
  const { nonce, marks } = device ?? { nonce: randomBytes(16).toString("base64url"), marks: [] };
  const text = textOf(nonce, userId);
  const others = marks.filter((mark) => !keys.verifyMark(text, mark)).slice(0, MOST_USERS - 1);
  const value = [nonce, keys.mark(text), ...others].join(".");
  return { definition, value, maxAgeSeconds: MAX_AGE_LIMIT_SECONDS };
}

/** 7 and "7" are two users. */
const textOf = (nonce: string, userId: UserId): string => `${nonce}\0${typeof userId}\0${userId}`;
