import { BlockList, isIP } from "node:net";
import { deviceLabel } from "../http/user-agent.ts";
import type { Prefixes, Settings } from "../options/settings.ts";
import type { SessionRow } from "../stores/store.ts";
import { unmapped } from "./addresses.ts";
import type { RequestFacts } from "./facts.ts";

/** Which of the address and browser that the options bind differ from the session's. */
export type Mismatch = "address" | "userAgent";

/**
 * Compares a request with its session's row. Off by default: addresses change with every network, and a thief
 * of a cookie can copy the user agent as well. It raises the price of a stolen cookie, no more.
 */
export function mismatchOf(
  row: SessionRow,
  facts: RequestFacts,
  { matchAddress, bindUserAgent }: Settings["session"],
): Mismatch | undefined {
  if (matchAddress !== undefined && !isSameNetwork(row.address, facts.address, matchAddress))
    return "address";
  if (bindUserAgent !== "off" && !isSameBrowser(row.userAgent, facts.userAgent, bindUserAgent))
    return "userAgent";
  return undefined;
}

export function isSameNetwork(
  before: string | undefined,
  now: string | undefined,
  prefixes: Prefixes,
): boolean {
  const [a, b] = [before, now].map((address) => address && unmapped(address));
  if (a === b || a === undefined) return true;
  if (b === undefined) return false;
  const [family, other] = [isIP(a), isIP(b)];
  if (family === 0 || family !== other) return false;
  const network = new BlockList();
  const kind = family === 4 ? "ipv4" : "ipv6";
  network.addSubnet(a, family === 4 ? prefixes.v4 : prefixes.v6, kind);
  return network.check(b, kind);
}

function isSameBrowser(
  before: string | undefined,
  now: string | undefined,
  how: "family" | "exact",
): boolean {
  if (before === now || before === undefined) return true;
  // Browsers update themselves: their family stays.
  return how === "family" && deviceLabel(before) === deviceLabel(now);
}
