import { PsessionError } from "./errors.ts";
import type { UserId, UserIdKind } from "./stores/store.ts";

const LONGEST = 255;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const WANTED: Record<UserIdKind, string> = {
  any: `a whole number, or text of 1 to ${LONGEST} characters without control characters`,
  integer: "a whole number",
  text: `text of 1 to ${LONGEST} characters without control characters`,
  uuid: "a UUID in lower case",
};

/** Refuses what the store would keep as something that it is not: 7 and "7" are two users. */
export function assertUserId(userId: unknown, kind: UserIdKind): asserts userId is UserId {
  const isNumber = typeof userId === "number" && Number.isSafeInteger(userId);
  const isText =
    typeof userId === "string" && userId.length > 0 && userId.length <= LONGEST && isFaithful(userId);
  const fits = {
    any: isNumber || isText,
    integer: isNumber,
    text: isText,
    uuid: isText && UUID.test(userId as string),
  };
  if (fits[kind]) return;
  const given = typeof userId === "number" || typeof userId === "string" ? `, not this ${typeof userId}` : "";
  throw new PsessionError(
    "invalid_user_id",
    `A user id must be ${WANTED[kind]}${given}${kind === "any" ? "" : "; the store's option userIds says so"}.`,
  );
}

/** Drivers cut text at a NUL and replace lone surrogates: two users would become one. */
const isFaithful = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text);
