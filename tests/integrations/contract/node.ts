import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { json } from "node:stream/consumers";
import {
  devices,
  devicesPage,
  exclusive,
  type NodeRequest,
  type NodeResponse,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
  withSession,
} from "../../../src/integrations/node/index.ts";
import type { ContractData, HttpIntegration, IntegrationSetup } from "../../../src/testing/contracts.ts";
import { guardsByPath, mountedGuard, PAGE_OPTIONS } from "./guards.ts";
import { nodeBody, served } from "./serve.ts";

const GUARDS = guardsByPath({
  exclusive,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
});
const MOUNTED = mountedGuard({ requireLogin });
const DEVICES = devices({ path: "/devices" });
const PAGE = devicesPage({ path: "/devices-page", ...PAGE_OPTIONS });
const MOUNT = "/mounted";

export const nodeIntegration: HttpIntegration = {
  isLazy: false,
  seesHeads: true,
  serve: (setup) => served(sessionListener<IncomingMessage, ServerResponse>(setup)),
};

/** One listener for all that Node serves. */
export function sessionListener<Request extends NodeRequest, Response extends NodeResponse>({
  psession,
  site,
  trustProxy,
  before,
}: IntegrationSetup): (request: Request, response: Response) => void {
  const isSameOrigin = originCheck({ trustProxy });
  const listener = withSession<ContractData, Request, Response>(
    psession,
    async (request, target, session) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://any");
      for (const guard of GUARDS[pathname] ?? []) {
        if (!(await guard(request, target, session))) return;
      }
      for (const route of [DEVICES, PAGE])
        if (!(await route(request as IncomingMessage, target as ServerResponse, session))) return;
      if (pathname.startsWith(`${MOUNT}/`)) {
        // As Connect does it, and all that came after.
        const { url = "/" } = request;
        Object.assign(request, { originalUrl: url, url: url.replace(MOUNT, "") });
        if (!MOUNTED(request, target, session)) return;
        request.url = url;
      }
      const { method = "GET" } = request;
      const answer = await site({
        method,
        path: pathname,
        query: searchParams,
        session: () => session,
        body: () => json(request) as Promise<unknown>,
      });
      const response = target as ServerResponse;
      response.statusCode = answer.status ?? 200;
      if (answer.setCookie !== undefined) response.setHeader("Set-Cookie", [...answer.setCookie]);
      for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
      const body = nodeBody(answer);
      if (typeof body === "object") pipeline(body, response, () => {});
      else response.end(body);
    },
    { trustProxy },
  );
  return (request, response) => {
    if (!isSameOrigin(request, response)) return;
    if (before === undefined) return void listener(request, response);
    const { pathname: path } = new URL(request.url ?? "/", "http://any");
    before({ path }).then(() => listener(request, response));
  };
}
