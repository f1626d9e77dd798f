import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";
import { keyEndpoints } from "../key-endpoints.ts";
import { headerOf, pathOf, visibleOrigin } from "./facts.ts";
import { responseOf } from "./response.ts";

/** What device-bound sessions need before the handlers: the response, or undefined, at once for most requests. */
// biome-ignore lint/suspicious/noExplicitAny: keys have nothing to do with the data.
export function answersKeys(psession: Psession<any>, trustProxy: boolean) {
  const endpoints = keyEndpoints(psession);
  return (
    request: Request,
    // biome-ignore lint/suspicious/noExplicitAny: as above.
    getSession: () => PromiseLike<Session<any>>,
  ): Promise<Response | undefined> | undefined =>
    endpoints({
      method: request.method,
      path: () => pathOf(request),
      header: headerOf(request),
      origin: () => visibleOrigin(request, trustProxy),
      session: getSession,
    })?.then((answer) => (answer === undefined ? undefined : responseOf(answer)));
}
