import { setFlagsFromString } from "node:v8";
import express from "express";
import fastify from "fastify";
import Koa from "koa";
import { expect, onTestFinished, test } from "vitest";
import { memoryStore } from "../../src/index.ts";
import * as inExpress from "../../src/integrations/express/index.ts";
import dropIn from "../../src/integrations/express-session/index.ts";
import * as inFastify from "../../src/integrations/fastify/index.ts";
import * as inKoa from "../../src/integrations/koa/index.ts";
import { withSession } from "../../src/integrations/node/index.ts";
import { overHttp, testApp } from "../support/app.ts";
import { HttpClient, serve } from "../support/http.ts";
import { type Any, NotedStore, STRONG, USUAL } from "./express-session/sides.ts";

setFlagsFromString("--allow-natives-syntax");
/** Objects that V8 has turned into dictionaries are slow for everybody who reads them from then on. */
const isFast = new Function("object", "return %HasFastProperties(object)") as (object: object) => boolean;

type Look = (objects: Record<string, object>) => void;
/** Serves a page that changes its session; `look` is given what middleware and frameworks read. */
type Site = (look: Look) => Promise<string>;

const onExpress =
  (middleware: () => Any): Site =>
  (look) => {
    const app = express();
    app.use(middleware());
    app.use((request: Any, response) => {
      const { session } = request;
      if (typeof session?.set === "function") session.set("count", (session.get("count") ?? 0) + 1);
      else if (session !== undefined) session.count = (session.count ?? 0) + 1;
      response.on("finish", () => look({ request, response }));
      response.json("ok");
    });
    return serve(app);
  };

const SITES: Record<string, Site> = {
  "Express without sessions": onExpress(() => (_request: Any, _response: Any, next: Any) => next()),
  "psession/express": onExpress(() => inExpress.sessions(testApp(overHttp).psession)),
  "the drop-in on a store of its own": onExpress(() => dropIn({ ...USUAL, store: new NotedStore() as Any })),
  "the drop-in on a psession store": onExpress(() =>
    dropIn({ ...USUAL, store: memoryStore(), secret: STRONG }),
  ),
  "psession/node": (look) =>
    serve(
      withSession(testApp(overHttp).psession, (request, response, session) => {
        session.set("count", (session.data.count ?? 0) + 1);
        response.on("finish", () => look({ request, response }));
        response.end("ok");
      }),
    ),
  "psession/koa": (look) => {
    const app = new Koa();
    app.use(inKoa.sessions(testApp(overHttp).psession, { open: "always" }));
    app.use((ctx: Any) => {
      ctx.session.set("count", (ctx.session.get("count") ?? 0) + 1);
      ctx.res.on("finish", () => look({ context: ctx, request: ctx.req, response: ctx.res }));
      ctx.body = "ok";
    });
    return serve(app.callback());
  },
  "psession/fastify": async (look) => {
    const app = fastify();
    await app.register(inFastify.sessions, { psession: testApp(overHttp).psession as Any, open: "always" });
    app.get("/", async (request, reply) => {
      const session = request.session as Any;
      session.set("count", (session.get("count") ?? 0) + 1);
      reply.raw.on("finish", () => look({ request, reply, raw: request.raw, response: reply.raw }));
      return "ok";
    });
    onTestFinished(() => app.close());
    return app.listen({ port: 0, host: "127.0.0.1" });
  },
};

test.each(Object.entries(SITES))("%s leaves requests and responses fast", async (_, site) => {
  const looked: Record<string, boolean>[] = [];
  const look: Look = (objects) =>
    void looked.push(Object.fromEntries(Object.entries(objects).map(([name, one]) => [name, isFast(one)])));
  const client = new HttpClient(await site(look));
  for (let round = 0; round < 40; round++) await client.get("/");
  const slow = looked.flatMap((objects) => Object.entries(objects).filter(([, is]) => !is));
  expect([looked.length, slow]).toEqual([40, []]);
});
