import { pipeline } from "node:stream";
import type express from "express";
import type { Session } from "../../../src/index.ts";
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
  sessions,
} from "../../../src/integrations/express/index.ts";
import type {
  ContractData,
  HttpIntegration,
  IntegrationSetup,
  Site,
} from "../../../src/testing/contracts.ts";
import { guardsByPath, mountedGuard, PAGE_OPTIONS } from "./guards.ts";
import { nodeBody, served } from "./serve.ts";

/** Imports a version of Express. */
export type Load = () => Promise<() => express.Express>;

export const expressIntegration = (load: Load): HttpIntegration => ({
  isLazy: false,
  seesHeads: true,
  async serve({ psession, site, trustProxy, before }) {
    const [make, { json }] = await Promise.all([load(), import("express")]);
    const app = make();
    app.set("trust proxy", trustProxy);
    // Express prints errors that nobody handles, unless it is told that this is a test.
    app.set("env", "test");
    app.use(originCheck());
    if (before !== undefined) app.use(waiting(before));
    app.use(sessions(psession), json());
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
      app.use(path, ...guards);
    app.use("/devices", devices());
    app.use("/devices-page", devicesPage(PAGE_OPTIONS));
    app.use("/mounted", mountedGuard({ requireLogin }));
    app.use(servesSite(site, (request) => request.session as unknown as Session<ContractData>));
    return served(app);
  },
});

/** Middleware that takes its time. */
export const waiting =
  (before: NonNullable<IntegrationSetup["before"]>): express.RequestHandler =>
  (request, _response, next) => {
    before(request).then(() => next(), next);
  };

/** Every path and method, answered as a handler of Express would. */
export const servesSite =
  (site: Site, sessionOf: (request: express.Request) => Session<ContractData>): express.RequestHandler =>
  (request, response, next) => {
    const { path, method } = request;
    const { searchParams: query } = new URL(request.originalUrl, "http://any");
    site({ method, path, query, session: () => sessionOf(request), body: async () => request.body }).then(
      (answer) => {
        response.status(answer.status ?? 200).set(answer.headers ?? {});
        for (const line of answer.setCookie ?? []) response.append("Set-Cookie", line);
        const body = nodeBody(answer);
        if (typeof body === "object") pipeline(body, response, () => {});
        else if (body === undefined) response.end();
        else response.send(body);
      },
      next,
    );
  };
