import {
  devices,
  devicesPage,
  exclusive,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
  withSession,
} from "../../../src/integrations/fetch/index.ts";
import type { HttpIntegration, ServedIntegration, SiteAnswer } from "../../../src/testing/contracts.ts";
import { guardsByPath, mountedGuard, PAGE_OPTIONS } from "./guards.ts";

/** A server for handlers of requests, and how it knows where a connection comes from. */
export interface FetchServer<Context extends readonly unknown[]> {
  serve(
    handler: (request: Request, ...context: Context) => Response | Promise<Response>,
  ): ServedIntegration | Promise<ServedIntegration>;
  /** It gives its handlers requests of Node's, whose heads are seen. */
  readonly seesHeads: boolean;
  address(request: Request, ...context: Context): string | undefined;
}

const GUARDS = guardsByPath({
  exclusive,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
});
const DEVICES = devices({ path: "/devices" });
const PAGE = devicesPage({ path: "/devices-page", ...PAGE_OPTIONS });
const MOUNTED = mountedGuard({ requireLogin });

export const fetchIntegration = <Context extends readonly unknown[]>(
  server: FetchServer<Context>,
): HttpIntegration => ({
  isLazy: true,
  seesHeads: server.seesHeads,
  async serve({ psession, site, trustProxy, before }) {
    const refusalOfOrigin = originCheck({ trustProxy });
    const answer = withSession(
      psession,
      async (request, session, ..._context: Context) => {
        const { pathname, searchParams } = new URL(request.url);
        for (const guard of GUARDS[pathname] ?? []) {
          const refusal = await guard(request, await session());
          if (refusal !== undefined) return refusal;
        }
        const answer = (await DEVICES(request, session)) ?? (await PAGE(request, session));
        if (answer !== undefined) return answer;
        if (pathname.startsWith("/mounted/")) {
          const refusal = MOUNTED(request, await session());
          if (refusal !== undefined) return refusal;
        }
        return responseOf(
          await site({
            method: request.method,
            path: pathname,
            query: searchParams,
            session,
            body: () => request.json(),
          }),
        );
      },
      { trustProxy, address: server.address },
    );
    return server.serve((request, ...context) => {
      const refusal = refusalOfOrigin(request);
      if (refusal !== undefined || before === undefined) return refusal ?? answer(request, ...context);
      return before({ path: new URL(request.url).pathname }).then(() => answer(request, ...context));
    });
  },
});

/** A site's answer as a Response, for frameworks that take those. */
export function responseOf({ status = 200, headers = {}, setCookie = [], body }: SiteAnswer): Response {
  const response = new Response(typeof body === "object" ? streamOf(body) : (body ?? null), {
    status,
    headers,
  });
  for (const line of setCookie) response.headers.append("Set-Cookie", line);
  return response;
}

function streamOf(pieces: AsyncIterable<string>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}
