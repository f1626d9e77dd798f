import * as v from "valibot";
import { type Duration, isDuration, parseDuration } from "./duration.ts";

/** For options: a duration above zero, as it was given. */
export const positiveDuration = (example: string, longest?: number) =>
  v.custom<Duration>((value) => isDuration(value, 1, longest), `must be a positive duration${example}`);

/** The same in milliseconds. */
export const inMilliseconds = v.transform((value: Duration) => parseDuration(value) ?? 0);
