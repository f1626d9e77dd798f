import * as v from "valibot";
import { invalidOptions, readOptions } from "../../checks/faults.ts";
import { allowedOrigins } from "../../http/origin.ts";

/** Whether a proxy stands before the server. */
export interface ProxyOptions {
  /**
   * Believe `X-Forwarded-Proto`, `X-Forwarded-For` and `X-Forwarded-Host`: only behind a proxy that sets them
   * itself, as anybody can send them. Default: false.
   */
  trustProxy?: boolean | undefined;
}

/** How a Request is read. */
export interface FetchOptions<Context extends readonly unknown[] = readonly unknown[]> extends ProxyOptions {
  /**
   * Where the connection comes from, which a Request does not say but its server does. For the device list and
   * events. What a trusted proxy says comes first. Default: unknown.
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

/** Throws for what is wrong with options of any integration that speaks Request and Response. */
export function checkOptions(who: string, options: object, known: readonly string[]): void {
  const { faults } = readOptions(OPTIONS, options);
  const misplaced = Object.keys(options).filter((name) => name in OPTIONS.entries && !known.includes(name));
  const all = [...faults, ...misplaced.map((name) => `${name} is no option`)];
  if (all.length > 0) throw invalidOptions(who, all);
}
