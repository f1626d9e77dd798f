import * as v from "valibot";
import { PsessionError } from "./errors.ts";

/**
 * One fault of given options, as a line for whoever gave them. Never repeats a value: it may be a key.
 *
 * @internal
 */
export function describeFault(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? "options";
  if (issue.type === "strict_object") {
    if (issue.expected === "never") return `${path} is no option`;
    if (issue.received === "undefined") return `${path} is missing`;
    return `${path} must be an object`;
  }
  return `${path} ${issue.message}`;
}

/**
 * Options as their schema completes them. Throws `invalid_options` with everything that is wrong.
 *
 * @internal
 */
export function checkedOptions<const S extends v.GenericSchema>(
  who: string,
  schema: S,
  options: unknown,
): v.InferOutput<S> {
  const parsed = v.safeParse(schema, options);
  if (!parsed.success) throw invalidOptions(who, parsed.issues.map(describeFault));
  return parsed.output;
}

/** Everything that is wrong, at once. */
export function invalidOptions(who: string, faults: readonly string[]): PsessionError {
  const lines = faults.map((fault) => `- ${fault}`).join("\n");
  return new PsessionError("invalid_options", `${who} cannot start:\n${lines}`);
}
