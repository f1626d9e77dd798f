/** Stores that were written for express-session; their types bring those of express-session along. */
import MongoStore from "connect-mongo";
import pgSimple from "connect-pg-simple";
import { RedisStore } from "connect-redis";
import sqlite from "connect-sqlite3";
import express, { type Request } from "express";
import mysqlSession from "express-mysql-session";
import memorystore from "memorystore";
import { requireLogin } from "psession/express";
import session, { type Store } from "psession/express-session";
import fileStore from "session-file-store";

declare module "psession/express-session" {
  interface SessionData {
    views?: number;
    userId?: number;
  }
}

const PgStore = pgSimple(session);
const SqliteStore = sqlite({ session });
const MysqlStore = mysqlSession(session);
const MemoryStore = memorystore(session);
const FileStore = fileStore(session);
const own: Store = new session.MemoryStore();
const stores = [
  own,
  new PgStore({ conString: "postgres://127.0.0.1/app" }),
  new RedisStore({ client: {} }),
  MongoStore.create({ mongoUrl: "mongodb://127.0.0.1/app" }),
  new SqliteStore(),
  new MysqlStore({}),
  new MemoryStore({}),
  new FileStore({}),
];

const app = express();
for (const store of stores) app.use(session({ store, secret: "s", resave: false }), requireLogin());
app.use(session({ store: new PgStore(), secret: "s", genid: () => "id" }));
app.get("/", async (request: Request, response) => {
  const views: number | undefined = request.session.views;
  const userId: number | undefined = request.session.userId;
  const maxAge: number | undefined = request.session.cookie.maxAge;
  request.sessionStore.all?.((error: unknown, sessions?: object | null) => response.json([error, sessions]));
  request.session.regenerate((error) => request.session.save(() => response.json([error, views, userId])));
  await request.session.login(7, { remember: true });
  await request.session.saveAsync();
  // @ts-expect-error: no such data
  request.session.nothing;
  response.json(maxAge);
});
