import * as v from "valibot";
import { type Duration, LONGEST_WAIT } from "../checks/duration.ts";
import { inMilliseconds, positiveDuration } from "../checks/duration-options.ts";
import { areFunctions, hasMethods } from "../checks/shape.ts";

/** What stores over a connection have in common. */
export interface ConnectionOptions {
  /** Create or update the tables before the first use. Default: true. */
  migrate?: boolean | undefined;
  /**
   * The longest that one operation may take, waiting for a connection included; after it the request fails
   * (503). Default: "5s".
   */
  timeout?: Duration | undefined;
}

/** @internal */
export const timeoutEntry = v.optional(
  v.pipe(positiveDuration(' of at most a day, such as 5000 or "5s"', LONGEST_WAIT), inMilliseconds),
  "5s",
);

/** @internal */
export const connectionEntries = {
  migrate: v.optional(v.boolean("must be true or false"), true),
  timeout: timeoutEntry,
};

/** Some drivers are functions with methods. */
export const isDriver = (value: unknown, names: readonly string[]): boolean =>
  typeof value === "function" ? areFunctions(value, names) : hasMethods(value, names);
