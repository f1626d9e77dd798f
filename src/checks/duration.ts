import ms from "ms";

/** Milliseconds, or text such as "90s", "15m", "12h", "30d". */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d" | "w"}`;

/** Milliseconds, or undefined where the value is no duration. */
export function parseDuration(value: unknown): number | undefined {
  const isText = typeof value === "string" && value !== "" && value.length <= 100;
  const parsed: unknown = isText ? ms(value as Parameters<typeof ms>[0]) : value;
  return typeof parsed === "number" && Number.isSafeInteger(parsed) && parsed >= 0 ? parsed : undefined;
}

/** A day: longer than a visitor waits, and within what Node's timers can count. */
export const LONGEST_WAIT = 86_400_000;

export const isDuration = (value: unknown, least: number, longest = Number.MAX_SAFE_INTEGER): boolean => {
  const parsed = parseDuration(value);
  return parsed !== undefined && parsed >= least && parsed <= longest;
};
