import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";
import { keyEndpoints } from "../key-endpoints.ts";
import { headerOf, pathOf } from "./facts.ts";
import type { NodeRequest, NodeResponse } from "./messages.ts";
import { send } from "./send.ts";

/** What device-bound sessions need before the handlers. True where the request was answered; undefined at once for most. */
// biome-ignore lint/suspicious/noExplicitAny: keys have nothing to do with the data.
export function answersKeys(psession: Psession<any>) {
  const endpoints = keyEndpoints(psession);
  return (
    request: NodeRequest,
    response: NodeResponse,
    // biome-ignore lint/suspicious/noExplicitAny: as above.
    { session, origin }: { readonly session: () => Promise<Session<any>>; readonly origin: () => string },
  ): Promise<boolean> | undefined =>
    endpoints({
      method: request.method,
      path: () => pathOf(request),
      header: headerOf(request),
      origin,
      session,
    })?.then((answer) => {
      if (answer === undefined) return false;
      send(response, answer);
      return true;
    });
}
