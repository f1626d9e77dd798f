import { PsessionError } from "../errors.ts";
import type { UserId } from "../protocol/rows.ts";
import { isText, textOf } from "./given.ts";

/**
 * Which user ids a store keeps: columns have one type. `any`: both kinds, side by side. `uuid`: text in the
 * canonical form, lower case. Numbers are safe integers; text has 1 to 255 characters, is well-formed Unicode, and has no
 * control characters. A store refuses any other id with `invalid_user_id`, wherever one is written or asked for:
 * `assertUserId` of `psession/store` does that. Ids are compared exactly: "ada", "Ada" and "ada " are three users.
 */
export type UserIdKind = "any" | "integer" | "text" | "uuid";

const LONGEST = 255;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const WANTED: Record<UserIdKind, string> = {
  any: `a whole number, or ${textOf(LONGEST)}`,
  integer: "a whole number",
  text: textOf(LONGEST),
  uuid: "a UUID in lower case",
};

/**
 * Refuses (`invalid_user_id`) what a store of that kind would keep as something that it is not: 7 and "7" are two users,
 * and drivers cut text at a NUL and replace half a surrogate.
 */
export function assertUserId(userId: unknown, kind: UserIdKind): asserts userId is UserId {
  const isNumber = typeof userId === "number" && Number.isSafeInteger(userId);
  const isGiven = isText(userId, LONGEST);
  const fits = {
    any: isNumber || isGiven,
    integer: isNumber,
    text: isGiven,
    uuid: isGiven && UUID.test(userId),
  };
  if (fits[kind]) return;
  const given = typeof userId === "number" || typeof userId === "string" ? `, not this ${typeof userId}` : "";
  const taken = (["integer", "uuid", "text"] as const).find((other) => other !== kind && fits[other]);
  const says =
    kind === "any"
      ? ""
      : `; the store's option userIds says so${taken ? `, and userIds: "${taken}" takes it` : ""}`;
  throw new PsessionError("invalid_user_id", `A user id must be ${WANTED[kind]}${given}${says}.`);
}

/**
 * The same digits as the other type, in a store that keeps both: what an application gives that reads ids off an
 * address. Of texts only those that are how a number is written.
 */
export function otherSpelling(userId: UserId, kind: UserIdKind): UserId | undefined {
  if (kind !== "any") return undefined;
  if (typeof userId === "number") return String(userId);
  const number = Number(userId);
  return Number.isSafeInteger(number) && String(number) === userId ? number : undefined;
}

/** Refuses an id that has no devices where its other type has some: an answer of 0 would look like success. */
export function misspelt(userId: UserId, what: string): PsessionError {
  const [given, other] = typeof userId === "number" ? ["number", "text"] : ["text", "number"];
  return new PsessionError(
    "invalid_user_id",
    `A user id must have the type that login() was given: this ${given} has none, and the ${other} of the same digits has ${what}.`,
  );
}
