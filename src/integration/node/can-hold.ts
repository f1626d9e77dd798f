import type { ServerResponse } from "node:http";
import { warnOnce } from "../../telemetry/warnings.ts";

/** A response needs these to be held. Virtual requests, as in Sails, and upgrades have no complete response. */
const NEEDED = ["setHeader", "getHeader", "writeHead", "write", "end"];

/**
 * Whether the response can wait for the session. An application without a response passes `{}`, where no cookie can be
 * set; the response of a handshake is read at once, and never sent.
 */
export function canHold(request: object, response: unknown): response is ServerResponse {
  return (request as { upgrade?: unknown }).upgrade !== true && isResponse(response);
}

function isResponse(response: unknown): boolean {
  const has = (name: string) => typeof (response as Record<string, unknown> | null)?.[name] === "function";
  if (NEEDED.every(has)) return true;
  if (NEEDED.some(has)) {
    const missing = NEEDED.filter((name) => !has(name));
    warnOnce(
      "PSESSION_NOT_HELD",
      `A response cannot wait for its session, as it has no ${missing.join(", ")}: no cookie is set there, and with ` +
        "psession/express-session nothing is saved but by req.session.save().",
    );
  }
  return false;
}
