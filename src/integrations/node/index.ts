import type { IncomingMessage, ServerResponse } from "node:http";
import { assertPsession } from "../../checks/given.ts";
import type { SessionData } from "../../data/typing.ts";
import { reasonOf } from "../../errors.ts";
import { arrivedAt, isServed, momentOf, runInNodeRequest } from "../../integration/node/arrivals.ts";
import { canHold } from "../../integration/node/can-hold.ts";
import { type NodeOptions, nodeFacts, visibleOrigin } from "../../integration/node/facts.ts";
import { answersKeys } from "../../integration/node/keys.ts";
import type { NodeRequest, NodeResponse } from "../../integration/node/messages.ts";
import { type OpenOptions, openHeld } from "../../integration/node/open.ts";
import { answerError } from "../../integration/node/send.ts";
import type { Psession } from "../../psession.ts";
import { enterRequest } from "../../request/context.ts";
import type { Session } from "../../session.ts";
import { warn } from "../../telemetry/warnings.ts";

export type {
  DevicesPage,
  DevicesPageOptions,
  DevicesPageVisit,
} from "../../integration/devices-page/endpoint.ts";
export type {
  AskedFor,
  FreshOptions,
  GuardFacts,
  GuardOptions,
  ProofsOptions,
  RequiredProofs,
} from "../../integration/guards.ts";
export { devices, type NodeDevicesOptions } from "../../integration/node/device-endpoints.ts";
export { devicesPage, type NodeDevicesPageOptions } from "../../integration/node/devices-page.ts";
export { openUpgrade, refuseUpgrade, type Upgrade } from "../../integration/node/upgrade.ts";
export type { LockOptions } from "../../upkeep/locks.ts";
export {
  exclusive,
  forbidImpersonation,
  type NodeGuard,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
} from "./guards.ts";
export { arrivedAt, type NodeOptions, type NodeRequest, type NodeResponse, nodeFacts };

/**
 * The visitor's session, ready. The response is held back until it is settled. For http, https and HTTP/2; a
 * route that does not call it costs no read.
 */
export function openSession<Data extends object = SessionData>(
  psession: Psession<Data>,
  request: NodeRequest,
  response: NodeResponse,
  options: OpenOptions = {},
): Promise<Session<Data>> {
  // Plain node:http has no middleware to do it: what this handler does from now on belongs to its request.
  if (isServed(request)) enterRequest(momentOf(request));
  return openHeld(psession, request, response, options);
}

/**
 * A listener for `createServer` whose handler gets the session: `createServer(withSession(psession, handler))`.
 * Errors of the handler or of the store are answered with their bare status.
 */
export function withSession<
  Data extends object = SessionData,
  Request extends NodeRequest = IncomingMessage,
  Response extends NodeResponse = ServerResponse,
>(
  psession: Psession<Data>,
  handler: (request: Request, response: Response, session: Session<Data>) => unknown,
  options: NodeOptions = {},
): (request: Request, response: Response) => Promise<void> {
  assertPsession("withSession", psession);
  const answers = answersKeys(psession);
  const { trustProxy = false } = options;
  return async (request, response) => {
    try {
      const session = await openHeld(psession, request, response, options);
      const origin = () => visibleOrigin(request, trustProxy);
      if (await answers(request, response, { session: async () => session, origin })) return;
      await runInNodeRequest(request, () => handler(request, response, session));
    } catch (error) {
      // A complete answer stands, whatever the handler did afterwards.
      if (response.writableEnded || !canHold(request, response)) {
        warn(
          "PSESSION_HANDLER",
          `A handler failed after it had answered, or on a request without a response: ${reasonOf(error)}`,
        );
      } else if (response.headersSent) response.destroy?.();
      else answerError(response, error);
    }
  };
}
