import { createServer, type Server } from "node:http";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import {
  createPsession,
  type Psession,
  type PsessionOptions,
  type RequestFacts,
  type Session,
  type Store,
} from "psession";
import { sessions as expressSessions, sessionOf } from "psession/express";
import dropIn from "psession/express-session";
import { sessions as fastifySessions } from "psession/fastify";
import { withSession as withFetchSession } from "psession/fetch";
import { sessions as honoSessions, type SessionVariables } from "psession/hono";
import { sessions as koaSessions, type SessionContext } from "psession/koa";
import { mysqlStore } from "psession/mysql";
import { withSession } from "psession/node";
import { postgresStore } from "psession/postgres";
import { redisStore } from "psession/redis";
import { sqliteStore } from "psession/sqlite";
import { mysqlPool, pgPool, redisClient } from "../drivers.ts";
import { fetchServer, nodeRoutes, sendJson } from "../frameworks.ts";
import { HEADERS } from "../load.ts";
import type { Place } from "../stores.ts";
import {
  ABOUT,
  cartOf,
  counted,
  DATA,
  DAY,
  type Framework,
  KEY,
  nextUser,
  PATHS,
  SCENARIOS,
  type ShopData,
} from "../workload.ts";
import type { Contender } from "./contender.ts";
import { STORES as APP_STORES, SETTINGS, sessionApp } from "./express-session.ts";
import { peer } from "./peer.ts";

type Shop = Session<ShopData>;

const pages = {
  cart: (session: Shop) => cartOf(session.userId, session.data),
  count(session: Shop) {
    const count = (session.data.count ?? 0) + 1;
    session.set("count", count);
    return counted(session.userId, count);
  },
  async login(session: Shop) {
    const user = nextUser();
    session.set(DATA);
    await session.login(user);
    return cartOf(user, session.data);
  },
};

/** Each framework as its page in docs/frameworks/ has it, behind a proxy that speaks https. */
const FACES: Record<Framework, (psession: Psession<ShopData>) => Promise<Server>> = {
  async node(psession) {
    const page = (answer: (session: Shop) => unknown) =>
      withSession(
        psession,
        async (_request, response, session) => sendJson(response, await answer(session)),
        { trustProxy: true },
      );
    return createServer(
      nodeRoutes({ cart: page(pages.cart), count: page(pages.count), login: page(pages.login) }),
    );
  },

  async express(psession) {
    const app = express();
    app.set("trust proxy", 1);
    app.use(expressSessions(psession));
    app.get(PATHS.about, (_request, response) => void response.json(ABOUT));
    app.get(PATHS.cart, (request, response) => void response.json(pages.cart(sessionOf<ShopData>(request))));
    app.post(PATHS.count, (request, response) => {
      response.json(pages.count(sessionOf<ShopData>(request)));
    });
    app.post(PATHS.login, async (request, response) => {
      response.json(await pages.login(sessionOf<ShopData>(request)));
    });
    return createServer(app);
  },

  async fastify(psession) {
    const app = fastify({ trustProxy: true });
    await app.register(fastifySessions<ShopData>, { psession });
    app.get(PATHS.about, async () => ABOUT);
    app.get(PATHS.cart, async (request) => pages.cart(await request.openSession<ShopData>()));
    app.post(PATHS.count, async (request) => pages.count(await request.openSession<ShopData>()));
    app.post(PATHS.login, async (request) => pages.login(await request.openSession<ShopData>()));
    await app.ready();
    return app.server;
  },

  async hono(psession) {
    const app = new Hono<{ Variables: SessionVariables<ShopData> }>();
    app.use(honoSessions(psession, { trustProxy: true }));
    app.get(PATHS.about, (c) => c.json(ABOUT));
    app.get(PATHS.cart, async (c) => c.json(pages.cart(await c.var.session)));
    app.post(PATHS.count, async (c) => c.json(pages.count(await c.var.session)));
    app.post(PATHS.login, async (c) => c.json(await pages.login(await c.var.session)));
    return fetchServer(app.fetch);
  },

  async koa(psession) {
    const app = new Koa<Koa.DefaultState, SessionContext<ShopData>>({ proxy: true });
    app.use(koaSessions(psession));
    app.use(async (ctx) => {
      if (ctx.path === PATHS.about) ctx.body = ABOUT;
      else if (ctx.path === PATHS.cart) ctx.body = pages.cart(await ctx.openSession());
      else if (ctx.path === PATHS.count) ctx.body = pages.count(await ctx.openSession());
      else ctx.body = await pages.login(await ctx.openSession());
    });
    return createServer(app.callback());
  },

  async fetch(psession) {
    return fetchServer(
      withFetchSession(
        psession,
        async (request, getSession) => {
          const { pathname } = new URL(request.url);
          if (pathname === PATHS.about) return Response.json(ABOUT);
          if (pathname === PATHS.cart) return Response.json(pages.cart(await getSession()));
          if (pathname === PATHS.count) return Response.json(pages.count(await getSession()));
          return Response.json(await pages.login(await getSession()));
        },
        { trustProxy: true },
      ),
    );
  },
};

export const serveShop = (framework: Framework, psession: Psession<ShopData>): Promise<Server> =>
  FACES[framework](psession);

const OPEN = {
  postgres: async (place: Place): Promise<Store> => postgresStore({ pool: pgPool(place) }),
  mysql: async (place: Place): Promise<Store> => mysqlStore({ pool: mysqlPool(place) }),
  sqlite: async (place: Place): Promise<Store> => sqliteStore({ path: place.address }),
  redis: async (place: Place): Promise<Store> =>
    redisStore({ client: await redisClient(place), prefix: place.name }),
} as const;
type ServerStore = keyof typeof OPEN;

export const openStore = (place: Place): Promise<Store> => OPEN[place.store as ServerStore](place);

/** Pruning runs at random moments, which would slow one contender and not another. */
export const shopOn = (store: Store, options: Partial<PsessionOptions> = {}): Psession<ShopData> =>
  createPsession<ShopData>({ store, keys: [KEY], prune: false, ...options });

export const VISITOR: RequestFacts = {
  cookie: undefined,
  secure: true,
  navigation: true,
  script: false,
  canSetCookies: true,
  crossSite: false,
  safe: true,
  forwarded: false,
  userAgent: HEADERS["User-Agent"],
  address: HEADERS["X-Forwarded-For"],
};

/** Signs a user in; returns the cookies, the session's first. */
export async function signIn(
  psession: Psession<ShopData>,
  user: string,
  remember = false,
): Promise<string[]> {
  const exchange = psession.exchange({ ...VISITOR, arrivedAt: psession.core.settings.clock.now() });
  const session = await exchange.open();
  session.set(DATA);
  await session.login(user, { remember });
  const { setCookie } = await exchange.commit();
  return setCookie.map((line) => line.split(";")[0] ?? "");
}

/** Yesterday: psession rotates a token once its browser surely has it, so not right after the sign-in. */
async function rememberedOn(store: Store, count: number): Promise<string[]> {
  const psession = shopOn(store, { clock: { now: () => Date.now() - DAY } });
  const cookies: string[] = [];
  while (cookies.length < count) {
    const together = Math.min(64, count - cookies.length);
    const made = await Promise.all(
      Array.from({ length: together }, () => signIn(psession, nextUser(), true)),
    );
    cookies.push(...made.map(([, remember = ""]) => remember));
  }
  return cookies;
}

const face = (framework: Framework, store: ServerStore): Contender => ({
  library: "psession",
  kind: "ours",
  framework,
  store,
  tables: "psession",
  scenarios: SCENARIOS,
  async start(place) {
    const opened = await OPEN[store](place);
    return {
      server: await serveShop(framework, shopOn(opened)),
      remembered: (count) => rememberedOn(opened, count),
    };
  },
});

const SIGNED_IN = SCENARIOS.filter((scenario) => scenario !== "restore");

const dropInOn = (store: ServerStore): Contender => ({
  library: "psession, drop-in",
  kind: "ours",
  framework: "express",
  store,
  tables: "psession",
  scenarios: SIGNED_IN,
  start: async (place) => ({
    server: sessionApp(dropIn({ ...SETTINGS, secret: [KEY], store: await OPEN[store](place) })),
  }),
});

/** The drop-in on an application's existing store. */
const dropInOnTheirs: Contender = {
  library: "psession, drop-in on connect-pg-simple",
  kind: "ours",
  framework: "express",
  store: "postgres",
  tables: "connect-pg-simple",
  scenarios: SIGNED_IN,
  async start(place) {
    const store = await APP_STORES["connect-pg-simple"](place, await peer("express-session"));
    return { server: sessionApp(dropIn({ ...SETTINGS, secret: [KEY], store: store as never })) };
  },
};

const stores = Object.keys(OPEN) as ServerStore[];

export const psessions: readonly Contender[] = [
  ...stores.flatMap((store) => [
    ...(Object.keys(FACES) as Framework[]).map((framework) => face(framework, store)),
    dropInOn(store),
  ]),
  dropInOnTheirs,
];
