import { createServer, type Server } from "node:http";
import Database from "better-sqlite3";
import express from "express";
import { mysqlPool, pgPool, redisClient, SQLITE_SETTINGS } from "../drivers.ts";
import type { Place } from "../stores.ts";
import { ABOUT, cartOf, counted, DATA, DAY, KEY, nextUser, PATHS, type ShopData } from "../workload.ts";
import type { Contender } from "./contender.ts";
import { peer } from "./peer.ts";

/** Of express-session's interface, which psession's drop-in has too. */
interface ExpressSession extends ShopData {
  userId?: string;
  regenerate(callback: (error: unknown) => void): unknown;
}
type WithSession = express.Request & { session: ExpressSession };

export const SETTINGS = {
  secret: [KEY],
  resave: false,
  saveUninitialized: false,
  cookie: { secure: true, sameSite: "lax", maxAge: DAY },
} as const;

/** One application for express-session and for the libraries that replace it. */
export function sessionApp(middleware: express.RequestHandler): Server {
  const app = express();
  app.set("trust proxy", 1);
  app.use(middleware);
  app.get(PATHS.about, (_request, response) => void response.json(ABOUT));
  app.get(PATHS.cart, (request, response) => {
    const { session } = request as WithSession;
    response.json(cartOf(session.userId, session));
  });
  app.post(PATHS.count, (request, response) => {
    const { session } = request as WithSession;
    session.count = (session.count ?? 0) + 1;
    response.json(counted(session.userId, session.count));
  });
  app.post(PATHS.login, (request, response, next) => {
    (request as WithSession).session.regenerate((error) => {
      if (error) return next(error);
      const { session } = request as WithSession;
      Object.assign(session, DATA);
      session.userId = nextUser();
      response.json(cartOf(session.userId, session));
    });
  });
  return createServer(app);
}

/** The part of express-session that its stores need. */
export type ExpressSessionModule = ((options: object) => express.RequestHandler) & {
  readonly Store: unknown;
};
type StoreFactory<Options> = (session: unknown) => new (...options: Options[]) => object;

/** Stores that several libraries share. */
export const STORES = {
  async "connect-pg-simple"(place: Place, session: unknown): Promise<object> {
    const Store = (await peer<StoreFactory<object>>("connect-pg-simple"))(session);
    return new Store({ pool: pgPool(place), createTableIfMissing: true });
  },
  async "connect-redis"(place: Place): Promise<object> {
    const { RedisStore } = await peer<{ RedisStore: new (options: object) => object }>("connect-redis");
    return new RedisStore({ client: await redisClient(place), prefix: place.name });
  },
  async "express-mysql-session"(place: Place, session: unknown): Promise<object> {
    const Store = (await peer<StoreFactory<unknown>>("express-mysql-session"))(session);
    const store = new Store({}, mysqlPool(place)) as { onReady(): Promise<void> };
    await store.onReady();
    return store;
  },
  async "better-sqlite3-session-store"(place: Place, session: unknown): Promise<object> {
    const Store = (await peer<StoreFactory<object>>("better-sqlite3-session-store"))(session);
    const client = new Database(place.address);
    client.exec(SQLITE_SETTINGS);
    return new Store({ client });
  },
} as const;

const contender = (name: keyof typeof STORES, store: Contender["store"]): Contender => ({
  library: `express-session, ${name}`,
  kind: "peer",
  framework: "express",
  store,
  tables: name,
  scenarios: ["no-cookie", "untouched", "read", "write", "login"],
  async start(place) {
    const session = await peer<ExpressSessionModule>("express-session");
    return { server: sessionApp(session({ ...SETTINGS, store: await STORES[name](place, session) })) };
  },
});

export const expressSessions: readonly Contender[] = [
  contender("connect-pg-simple", "postgres"),
  contender("express-mysql-session", "mysql"),
  contender("better-sqlite3-session-store", "sqlite"),
  contender("connect-redis", "redis"),
];
