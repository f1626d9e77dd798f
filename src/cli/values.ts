import { InvalidArgumentError } from "commander";
import { type Duration, parseDuration } from "../checks/duration.ts";
import { assertUserId } from "../checks/user-id.ts";
import type { UserId, UserIdKind } from "../stores/store.ts";

/** @internal */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };

/** @internal */
export function milliseconds(text: string): number {
  const value = parseDuration(/^\d+$/.test(text) ? Number(text) : (text as Duration));
  if (value !== undefined && value > 0) return value;
  throw new InvalidArgumentError('It must be a duration, such as "15m", "12h" or "30d".');
}

const POINT = /^(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/**
 * A date (midnight, UTC) or a date with time and zone, in epoch milliseconds. A time without a zone would depend on the
 * machine.
 *
 * @internal
 */
export function pointInTime(text: string): number {
  const [, date = ""] = POINT.exec(text) ?? [];
  const day = Date.parse(date);
  const at = Date.parse(text);
  // The thirtieth of February would be a day in March.
  if (!Number.isNaN(at) && !Number.isNaN(day) && new Date(day).toISOString().startsWith(date)) return at;
  throw new InvalidArgumentError(
    'It must be a date, or a date with a time and its zone, such as "2026-07-01T03:00:00Z".',
  );
}

/**
 * A user id as the application has it: 7 and "7" are two users. Where the store keeps both, digits are a number
 * unless `isText`.
 */
export function userIdOf(text: string, kind: UserIdKind, isText: boolean | undefined): UserId {
  const isNumber = kind === "integer" || (kind === "any" && isText !== true && /^-?\d{1,15}$/.test(text));
  const userId = isNumber && /^-?\d+$/.test(text) ? Number(text) : text;
  assertUserId(userId, kind);
  return userId;
}
