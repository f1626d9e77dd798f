import { createServer } from "node:http";
import Koa from "koa";
import { pgPool, redisClient } from "../drivers.ts";
import type { Place } from "../stores.ts";
import { ABOUT, cartOf, counted, DATA, DAY, KEY, nextUser, PATHS, type ShopData } from "../workload.ts";
import type { Contender } from "./contender.ts";
import { peer } from "./peer.ts";

interface KoaSession extends ShopData {
  userId?: string;
  readonly isNew: boolean;
  regenerate(): Promise<void>;
}

/** The interface that koa-session requires of a store other than the cookie. It has none, so these are minimal. */
interface KoaStore {
  get(key: string): Promise<object | undefined>;
  set(key: string, session: object, maxAge: number): Promise<void>;
  destroy(key: string): Promise<void>;
}

async function onPostgres(place: Place): Promise<KoaStore> {
  const pool = pgPool(place);
  await pool.query(
    "CREATE TABLE IF NOT EXISTS koa_sessions (id text PRIMARY KEY, data text NOT NULL, expires bigint NOT NULL)",
  );
  const query = (name: string, text: string, values: unknown[]) => pool.query({ name, text, values });
  return {
    async get(key) {
      const { rows } = await query("get", "SELECT data FROM koa_sessions WHERE id = $1 AND expires > $2", [
        key,
        Date.now(),
      ]);
      return rows[0] && JSON.parse(rows[0].data);
    },
    async set(key, session, maxAge) {
      await query(
        "set",
        "INSERT INTO koa_sessions VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET data = $2, expires = $3",
        [key, JSON.stringify(session), Date.now() + maxAge],
      );
    },
    async destroy(key) {
      await query("destroy", "DELETE FROM koa_sessions WHERE id = $1", [key]);
    },
  };
}

async function onRedis(place: Place): Promise<KoaStore> {
  const client = await redisClient(place);
  return {
    async get(key) {
      const raw = await client.get(place.name + key);
      return raw === null ? undefined : JSON.parse(raw);
    },
    async set(key, session, maxAge) {
      await client.set(place.name + key, JSON.stringify(session), {
        expiration: { type: "PX", value: maxAge },
      });
    },
    async destroy(key) {
      await client.del(place.name + key);
    },
  };
}

const contender = (
  store: Contender["store"],
  open: ((place: Place) => Promise<KoaStore>) | undefined,
): Contender => ({
  library: open === undefined ? "koa-session, cookie" : "koa-session, external store",
  kind: "peer",
  framework: "koa",
  store,
  tables: "koa-session",
  scenarios: ["no-cookie", "untouched", "read", "write", "login"],
  async start(place) {
    type Create = (options: object, app: Koa) => Koa.Middleware;
    const createSession = await peer<Create>("koa-session");
    const app = new Koa({ proxy: true });
    app.keys = [KEY];
    const kept = open === undefined ? {} : { store: await open(place) };
    app.use(createSession({ maxAge: DAY, secure: true, sameSite: "lax", ...kept }, app));
    app.use(async (ctx) => {
      if (ctx.path === PATHS.about) {
        ctx.body = ABOUT;
        return;
      }
      const session = ctx.session as unknown as KoaSession;
      if (ctx.path === PATHS.cart) ctx.body = cartOf(session.userId, session);
      else if (ctx.path === PATHS.count) {
        session.count = (session.count ?? 0) + 1;
        ctx.body = counted(session.userId, session.count);
      } else {
        session.userId = nextUser();
        Object.assign(session, DATA);
        // Nobody can have planted a new session; the documentation does not mention it.
        if (!session.isNew) await session.regenerate();
        ctx.body = cartOf(session.userId, session);
      }
    });
    return { server: createServer(app.callback()) };
  },
});

export const koaSessions: readonly Contender[] = [
  contender("postgres", onPostgres),
  contender("redis", onRedis),
  contender("cookie", undefined),
];
