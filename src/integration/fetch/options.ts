import * as v from "valibot";
import { invalidOptions, readOptions } from "../../checks/faults.ts";
import { allowedOrigins } from "../../http/origin.ts";
import type { ProxyOptions } from "../forwarded.ts";

/** How a Request is read. */
export interface FetchOptions<Context extends readonly unknown[] = readonly unknown[]> extends ProxyOptions {
  /**
   * The address of the connection, which the server knows and a Request does not. For the device list and
   * events. A trusted proxy's `X-Forwarded-For` comes first. Default: unknown.
   */
  address?: (request: Request, ...context: Context) => string | undefined;
}

const aFunction = v.optional(v.custom<never>((value) => typeof value === "function", "must be a function"));
const OPTIONS = v.strictObject({
  trustProxy: v.optional(v.boolean("must be true or false")),
  address: aFunction,
  onError: aFunction,
  allowed: allowedOrigins,
});

/** Checks the options of every integration for Request and Response. `callee` is named in the error. */
export function checkOptions(callee: string, options: object, known: readonly string[]): void {
  const { faults } = readOptions(OPTIONS, options);
  const misplaced = Object.keys(options).filter((name) => name in OPTIONS.entries && !known.includes(name));
  const all = [...faults, ...misplaced.map((name) => `${name} is no option`)];
  if (all.length > 0) throw invalidOptions(callee, all);
}
