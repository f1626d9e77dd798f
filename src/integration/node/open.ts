import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";
import { arrivedAt } from "./arrivals.ts";
import { answerError } from "./error.ts";
import { type KnownFacts, type NodeOptions, nodeFacts } from "./facts.ts";
import { canHold } from "./held.ts";
import type { NodeRequest } from "./request.ts";
import { type NodeResponse, settleBeforeHead } from "./response.ts";

export interface OpenOptions extends NodeOptions {
  /** Answers in place of the handler where saving failed. Default: the bare status, 503 or 500. */
  onError?: ((error: unknown) => void) | undefined;
  /** What the framework knows better than the bare request does. */
  facts?: Omit<KnownFacts, "canSetCookies" | "arrivedAt"> | undefined;
}

/**
 * The visitor's session, with the response held back where there is one; for those who run the handler in its request
 * themselves.
 */
export async function openHeld<Data extends object>(
  psession: Psession<Data>,
  request: NodeRequest,
  response: NodeResponse,
  options: OpenOptions,
): Promise<Session<Data>> {
  const isHeld = canHold(request, response);
  const known = {
    ...options.facts,
    canSetCookies: isHeld && !response.headersSent,
    arrivedAt: arrivedAt(psession, request),
  };
  const exchange = psession.exchange(nodeFacts(request, options.trustProxy ?? false, known));
  const session = await exchange.open();
  if (!isHeld) {
    // There will be no response to wait for: changes are saved as they are made.
    await exchange.commit({ canSetCookies: false, savesAfterHead: true });
    return session;
  }
  settleBeforeHead(
    response,
    (canSetCookies) => exchange.commit({ canSetCookies }),
    options.onError ?? ((error) => answerError(response, error)),
  );
  return session;
}
