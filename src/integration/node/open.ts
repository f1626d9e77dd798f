import type { Psession } from "../../psession.ts";
import { isPassive } from "../../request/facts.ts";
import type { Session } from "../../session.ts";
import { arrivedAt } from "./arrivals.ts";
import { canHold } from "./can-hold.ts";
import { type KnownFacts, type NodeOptions, nodeFacts, pathOf } from "./facts.ts";
import { settleBeforeHead } from "./held-response.ts";
import type { NodeRequest, NodeResponse } from "./messages.ts";
import { answerError } from "./send.ts";

/** How a request of Node is read, and what answers where its session cannot be saved. */
export interface OpenOptions extends NodeOptions {
  /** Answers in place of the handler when saving failed. Default: the bare status, 503 or 500. */
  onError?: ((error: unknown) => void) | undefined;
  /** Facts that the framework knows better than the bare request. */
  facts?: Omit<KnownFacts, "canSetCookies" | "arrivedAt" | "passive"> | undefined;
  /** The whole target, where a mount may have cut off a part of the request's own. */
  path?: string | undefined;
}

/**
 * The visitor's session, with the response held back if there is one. The caller runs the handler in its request.
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
    passive: isPassive(
      psession.core.settings,
      (name) => request.headers[name],
      request.method,
      () => options.path ?? pathOf(request),
    ),
  };
  const exchange = psession.exchange(nodeFacts(request, options.trustProxy ?? false, known));
  const session = await exchange.open();
  if (!isHeld) {
    // There is no response to wait for: changes are saved as they are made.
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
