import type { AddressInfo } from "node:net";
import type { RouteHandlerMethod } from "fastify";
import {
  devices,
  devicesPage,
  exclusive,
  type FastifySession,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
  sessions,
} from "../../../src/integrations/fastify/index.ts";
import type { ContractData, HttpIntegration } from "../../../src/testing/contracts.ts";
import { guardsByPath, mountedGuard, PAGE_OPTIONS } from "./guards.ts";
import { nodeBody } from "./serve.ts";

export const fastifyIntegration = ({ open }: { open: "lazy" | "always" }): HttpIntegration => ({
  isLazy: open === "lazy",
  seesHeads: true,
  async serve({ psession, site, trustProxy, before }) {
    const { fastify } = await import("fastify");
    const app = fastify({ trustProxy });
    app.addHook("onRequest", originCheck());
    if (before !== undefined) {
      app.addHook("onRequest", (request) => before({ path: new URL(request.url, "http://any").pathname }));
    }
    await app.register(sessions<ContractData>, { psession, open });
    const handler: RouteHandlerMethod = async (request, reply) => {
      const { pathname: path, searchParams: query } = new URL(request.url, "http://any");
      const answer = await site({
        method: request.method,
        path,
        query,
        body: async () => request.body,
        session: () =>
          open === "lazy"
            ? request.openSession<ContractData>()
            : request.getDecorator<FastifySession<ContractData>>("session"),
      });
      reply.code(answer.status ?? 200).headers(answer.headers ?? {});
      for (const line of answer.setCookie ?? []) reply.header("set-cookie", line);
      return reply.send(nodeBody(answer));
    };
    for (const [path, guards] of Object.entries(
      guardsByPath({
        exclusive,
        requireFresh,
        requireKeyProof,
        requireLevel,
        requireLogin,
        requirePending,
        requireProofs,
      }),
    ))
      app.all(path, { preHandler: [...guards] }, handler);
    await app.register(devices, { prefix: "/devices" });
    await app.register(devicesPage, { prefix: "/devices-page", ...PAGE_OPTIONS });
    await app.register(
      async (mounted) => {
        mounted.addHook("preHandler", mountedGuard({ requireLogin }));
        mounted.all("/*", handler);
      },
      { prefix: "/mounted" },
    );
    app.all("/*", handler);
    await app.listen({ port: 0, host: "127.0.0.1" });
    return {
      url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
      close: () => app.close(),
    };
  },
});
