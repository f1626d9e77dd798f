import type { ServerResponse } from "node:http";
import { warnOnce } from "../../telemetry/warnings.ts";

/** What a response needs to be held: virtual requests, as Sails has them, and upgrades bring no whole one. */
const NEEDED = ["setHeader", "getHeader", "writeHead", "write", "end"];

/**
 * Whether the response to this request waits for its session. Without one, as an application says by `{}`, there is
 * nobody to set a cookie; what a handshake has for a response is read at once, and never answered.
 */
export function canHold(request: object, response: unknown): response is ServerResponse {
  return (request as { upgrade?: unknown }).upgrade !== true && isResponse(response);
}

function isResponse(response: unknown): boolean {
  const has = (name: string) => typeof (response as Record<string, unknown> | null)?.[name] === "function";
  if (NEEDED.every(has)) return true;
  if (NEEDED.some(has)) warnOfResponse(NEEDED.filter((name) => !has(name)));
  return false;
}

const warnOfResponse = (missing: readonly string[]): void =>
  warnOnce(
    "PSESSION_NOT_HELD",
    `A response cannot wait for its session, as it has no ${missing.join(", ")}: no cookie is set there, and with ` +
      "psession/express-session nothing is saved but by req.session.save().",
  );
