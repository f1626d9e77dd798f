import ms, { type StringValue } from "ms";

/** Milliseconds, or text such as "90s", "15m", "12h", "30d". */
export type Duration = number | StringValue;

/** Milliseconds, or undefined where the value is no duration. */
export function parseDuration(value: unknown): number | undefined {
  const parsed =
    typeof value === "string" && value !== "" && value.length <= 100 ? ms(value as StringValue) : value;
  return typeof parsed === "number" && Number.isSafeInteger(parsed) && parsed >= 0 ? parsed : undefined;
}
