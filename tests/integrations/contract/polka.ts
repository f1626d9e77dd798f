import { pipeline } from "node:stream";
import polka from "polka";
import {
  devices,
  devicesPage,
  exclusive,
  onError,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
  sessionOf,
  sessions,
} from "../../../examples/integration-polka/polka.ts";
import type { Psession, Session } from "../../../src/index.ts";
import type { ContractData, HttpIntegration } from "../../../src/testing/contracts.ts";
import { guardsByPath, mountedGuard, PAGE_OPTIONS } from "./guards.ts";
import { nodeBody, served } from "./serve.ts";

type Any = never;

/** The example of an integration that somebody else writes, on a framework that we do not ship. */
export const polkaIntegration: HttpIntegration = {
  isLazy: false,
  seesHeads: true,
  serve({ psession, site, trustProxy, before }) {
    const app = polka({ onError: onError as Any });
    const use = (...middleware: unknown[]) => app.use(...(middleware as Any[]));
    use(originCheck({ trustProxy }));
    if (before !== undefined)
      use((request: Any, _response: Any, next: (error?: unknown) => void) => {
        before(request).then(() => next(), next);
      });
    use(sessions(psession as unknown as Psession, { trustProxy }));
    const guards = guardsByPath({
      exclusive,
      requireFresh,
      requireKeyProof,
      requireLevel,
      requireLogin,
      requirePending,
      requireProofs,
    });
    for (const [path, some] of Object.entries(guards)) use(path, ...some);
    use("/devices", devices({ trustProxy }));
    use("/devices-page", devicesPage({ trustProxy, ...PAGE_OPTIONS }));
    use("/mounted", mountedGuard({ requireLogin }));
    app.all("*", ((request: polka.Request, response: Any, next: (error?: unknown) => void) => {
      answer(request as Any, response).catch(next);
    }) as Any);
    async function answer(request: polka.Request, response: import("node:http").ServerResponse) {
      const { pathname: path, searchParams: query } = new URL(request.originalUrl, "http://any");
      const session = () => sessionOf(request as Any) as unknown as Session<ContractData>;
      const body = async () => JSON.parse(await textOf(request));
      const given = await site({ method: request.method ?? "GET", path, query, session, body });
      response.statusCode = given.status ?? 200;
      for (const [name, value] of Object.entries(given.headers ?? {})) response.setHeader(name, value);
      for (const line of given.setCookie ?? []) response.appendHeader("Set-Cookie", line);
      const content = nodeBody(given);
      if (typeof content === "object") pipeline(content, response, () => {});
      else response.end(content);
    }
    return served((request, response) => {
      // Polka finds no route for a target that names its host (RFC 9112 section 3.2.2).
      request.url = request.url?.replace(/^https?:\/\/[^/]*/, "");
      app.handler(request as Any, response);
    });
  },
};

async function textOf(request: AsyncIterable<Buffer>): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}
