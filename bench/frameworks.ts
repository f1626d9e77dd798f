/** Pages without any session library, on each framework as its documentation recommends: the base of floors. */
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { ABOUT, type Framework, PATHS } from "./workload.ts";

export interface Reply {
  readonly body: unknown;
  /** A Set-Cookie line. */
  readonly cookie?: string;
}

/** Each gets the Cookie header. */
export interface Pages {
  cart(cookie: string | undefined): Promise<Reply>;
  count(cookie: string | undefined): Promise<Reply>;
  login(): Promise<Reply>;
}

export const servePages = (framework: Framework, pages: Pages): Promise<Server> => SERVE[framework](pages);

const SERVE: Record<Framework, (pages: Pages) => Promise<Server>> = {
  async node(pages) {
    const answer =
      (page: (cookie: string | undefined) => Promise<Reply>): RequestListener =>
      async (request, response) => {
        const { body, cookie } = await page(request.headers.cookie);
        if (cookie !== undefined) response.setHeader("Set-Cookie", cookie);
        sendJson(response, body);
      };
    return createServer(
      nodeRoutes({ cart: answer(pages.cart), count: answer(pages.count), login: answer(pages.login) }),
    );
  },

  async express(pages) {
    const app = express();
    const answer =
      (page: (cookie: string | undefined) => Promise<Reply>): express.RequestHandler =>
      async (request, response) => {
        const { body, cookie } = await page(request.headers.cookie);
        if (cookie !== undefined) response.append("Set-Cookie", cookie);
        response.json(body);
      };
    app.set("trust proxy", 1);
    app.get(PATHS.about, (_request, response) => void response.json(ABOUT));
    app.get(PATHS.cart, answer(pages.cart));
    app.post(PATHS.count, answer(pages.count));
    app.post(PATHS.login, answer(pages.login));
    return createServer(app);
  },

  async fastify(pages) {
    const app = fastify({ trustProxy: true });
    app.get(PATHS.about, async () => ABOUT);
    app.get(PATHS.cart, async ({ headers }) => (await pages.cart(headers.cookie)).body);
    app.post(PATHS.count, async ({ headers }) => (await pages.count(headers.cookie)).body);
    app.post(PATHS.login, async (_request, reply) => {
      const { body, cookie } = await pages.login();
      if (cookie !== undefined) reply.header("Set-Cookie", cookie);
      return body;
    });
    await app.ready();
    return app.server;
  },

  async hono(pages) {
    const app = new Hono();
    app.get(PATHS.about, (c) => c.json(ABOUT));
    app.get(PATHS.cart, async (c) => c.json((await pages.cart(c.req.header("cookie"))).body as object));
    app.post(PATHS.count, async (c) => c.json((await pages.count(c.req.header("cookie"))).body as object));
    app.post(PATHS.login, async (c) => {
      const { body, cookie } = await pages.login();
      if (cookie !== undefined) c.header("Set-Cookie", cookie, { append: true });
      return c.json(body as object);
    });
    return fetchServer(app.fetch);
  },

  async koa(pages) {
    const app = new Koa({ proxy: true });
    app.use(async (ctx) => {
      const { body, cookie } = await pageAt(pages, ctx.path, ctx.headers.cookie);
      if (cookie !== undefined) ctx.append("Set-Cookie", cookie);
      ctx.body = body;
    });
    return createServer(app.callback());
  },

  async fetch(pages) {
    return fetchServer(async (request: Request) => {
      const { pathname } = new URL(request.url);
      const { body, cookie } = await pageAt(pages, pathname, request.headers.get("cookie") ?? undefined);
      return Response.json(body, cookie === undefined ? {} : { headers: { "Set-Cookie": cookie } });
    });
  },
};

/** How Hono and other handlers of requests are served on Node. */
export const fetchServer = (handler: (request: Request) => Response | Promise<Response>): Server =>
  createAdaptorServer({ fetch: handler }) as Server;

/** In place of a router, which node:http does not have. */
export function nodeRoutes(
  routes: Readonly<Record<"cart" | "count" | "login", RequestListener>>,
): RequestListener {
  const table = new Map<string | undefined, RequestListener>([
    [PATHS.about, (_request, response) => sendJson(response, ABOUT)],
    [PATHS.cart, routes.cart],
    [PATHS.count, routes.count],
    [PATHS.login, routes.login],
  ]);
  return (request, response) => {
    const route = table.get(request.url);
    if (route === undefined) response.writeHead(404).end();
    else route(request, response);
  };
}

export function sendJson(response: ServerResponse, value: unknown): void {
  const body = JSON.stringify(value);
  response.setHeader("Content-Type", "application/json");
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.end(body);
}

async function pageAt(pages: Pages, path: string, cookie: string | undefined): Promise<Reply> {
  switch (path) {
    case PATHS.about:
      return { body: ABOUT };
    case PATHS.cart:
      return pages.cart(cookie);
    case PATHS.count:
      return pages.count(cookie);
    default:
      return pages.login();
  }
}
