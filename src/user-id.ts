import { PsessionError } from "./errors.ts";
import type { UserId } from "./stores/store.ts";

const LONGEST = 255;

/** User ids are whole numbers or non-empty text; anything else would be stored as something that it is not. */
export function assertUserId(userId: unknown): asserts userId is UserId {
  const isNumber = typeof userId === "number" && Number.isSafeInteger(userId);
  const isText = typeof userId === "string" && userId.length > 0 && userId.length <= LONGEST;
  if (isNumber || (isText && isFaithful(userId))) return;
  throw new PsessionError(
    "invalid_user_id",
    `A user id must be a whole number, or text of 1 to ${LONGEST} characters without control characters.`,
  );
}

/** Drivers cut text at a NUL and replace lone surrogates: two users would become one. */
const isFaithful = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text);
