import type { IncomingMessage, ServerResponse } from "node:http";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError, reasonOf } from "../../errors.ts";
import type { Psession } from "../../psession.ts";
import type { RequestFacts } from "../../request/facts.ts";
import type { Session } from "../../session.ts";
import { warn } from "../../warnings.ts";
import { type NodeOptions, nodeFacts } from "./facts.ts";
import { settleBeforeHead } from "./response.ts";

export type { FreshOptions, GuardOptions } from "../../http/guards.ts";
export { devices, type NodeDevicesOptions } from "./devices.ts";
export { type NodeGuard, originCheck, requireFresh, requireLevel, requireLogin } from "./guards.ts";
export { type NodeOptions, nodeFacts };

/** The visitor's session, ready. The response is held back until it is settled. */
export async function openSession<Data extends object = SessionData>(
  psession: Psession<Data>,
  request: IncomingMessage,
  response: ServerResponse,
  options: NodeOptions & {
    /** Answers in place of the handler where saving failed. Default: the bare status, 503 or 500. */
    onError?: (error: unknown) => void;
    /** What the framework knows better than the bare request does. */
    facts?: Partial<Pick<RequestFacts, "secure" | "address">>;
  } = {},
): Promise<Session<Data>> {
  const facts = { ...nodeFacts(request, options.trustProxy ?? false), ...options.facts };
  const exchange = psession.exchange({ ...facts, canSetCookies: !response.headersSent });
  const session = await exchange.open();
  settleBeforeHead(
    response,
    (canSetCookies) => exchange.commit({ canSetCookies }),
    options.onError ?? ((error) => answerError(response, error)),
  );
  return session;
}

type Handler<Data extends object> = (
  request: IncomingMessage,
  response: ServerResponse,
  session: Session<Data>,
) => unknown;

/**
 * A listener for `http.createServer` whose handler gets the session: `createServer(withSession(psession, handler))`.
 * An error of the handler or of the store answers with its status and no more.
 */
export function withSession<Data extends object = SessionData>(
  psession: Psession<Data>,
  handler: Handler<Data>,
  options: NodeOptions = {},
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    try {
      const session = await openSession(psession, request, response, options);
      await handler(request, response, session);
    } catch (error) {
      // An answer that was given stands, whatever the handler did afterwards.
      if (response.writableEnded) warnOf(error);
      else if (response.headersSent) response.destroy();
      else answerError(response, error);
    }
  };
}

const DESCRIBES_CONTENT = /^(content-(?!security)|transfer-encoding$|etag$|last-modified$|location$)/;

function warnOf(error: unknown): void {
  warn("PSESSION_HANDLER", `A handler failed after it had answered: ${reasonOf(error)}`);
}

function answerError(response: ServerResponse, error: unknown): void {
  const status = error instanceof PsessionError ? error.status : 500;
  // Lengths and encodings of the handler's answer would cut or garble this one.
  for (const name of response.getHeaderNames()) if (DESCRIBES_CONTENT.test(name)) response.removeHeader(name);
  response.statusCode = status;
  response.statusMessage = "";
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.setHeader("Cache-Control", "no-store");
  response.end(status === 503 ? "Service unavailable, please try again.\n" : "Something went wrong.\n");
}
