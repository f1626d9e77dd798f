import { firstOf } from "../request/addresses.ts";

/** Whether a proxy stands before the server. */
export interface ProxyOptions {
  /**
   * Believe `X-Forwarded-Proto`, `X-Forwarded-For` and `X-Forwarded-Host`: only behind a proxy that sets them
   * itself, as any client can send them. Default: false.
   */
  trustProxy?: boolean | undefined;
}

/** What the first proxy saw; undefined where no proxy is trusted, or none says it. */
export function forwarded(
  header: (name: string) => string | readonly string[] | undefined,
  name: "for" | "host" | "proto",
  trustProxy: boolean,
): string | undefined {
  const value = trustProxy ? header(`x-forwarded-${name}`) : undefined;
  return firstOf(typeof value === "string" ? value : value?.[0]);
}
