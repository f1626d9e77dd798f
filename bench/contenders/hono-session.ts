import { type SessionEnv, type Storage, useSession, useSessionStorage } from "@hono/session";
import { Hono } from "hono";
import { redisClient } from "../drivers.ts";
import { fetchServer } from "../frameworks.ts";
import type { Place } from "../stores.ts";
import { ABOUT, cartOf, counted, DATA, KEY, nextUser, PATHS, type ShopData } from "../workload.ts";
import type { Contender } from "./contender.ts";

// An interface would have no index signature.
type HonoData = Pick<ShopData, keyof ShopData> & { userId?: string };

/** Its documentation uses a Map of JSON as storage; the library itself does not wait for saves. */
async function onRedis(place: Place): Promise<Storage<HonoData>> {
  const client = await redisClient(place);
  return {
    async get(sid: string) {
      const raw = await client.get(place.name + sid);
      return raw === null ? null : (JSON.parse(raw) as HonoData);
    },
    set(sid: string, data: HonoData) {
      void client.set(place.name + sid, JSON.stringify(data), { expiration: { type: "EX", value: 86_400 } });
    },
    delete(sid: string) {
      void client.del(place.name + sid);
    },
  };
}

const contender = (
  store: Contender["store"],
  open: ((place: Place) => Promise<Storage<HonoData>>) | undefined,
): Contender => ({
  library: open === undefined ? "@hono/session, cookie" : "@hono/session, storage",
  kind: "peer",
  framework: "hono",
  store,
  tables: "hono-session",
  scenarios: ["no-cookie", "untouched", "read", "write", "login"],
  async start(place) {
    const app = new Hono<SessionEnv<HonoData>>();
    if (open !== undefined) app.use(useSessionStorage(await open(place)));
    app.use(useSession<HonoData>({ secret: KEY, duration: { absolute: 86_400 } }));
    app.get(PATHS.about, (c) => c.json(ABOUT));
    app.get(PATHS.cart, async (c) => {
      const data = await c.var.session.get();
      return c.json(cartOf(data?.userId, data ?? undefined));
    });
    app.post(PATHS.count, async (c) => {
      let count = 0;
      await c.var.session.update((data) => {
        count = (data?.count ?? 0) + 1;
        return { ...data, count };
      });
      return c.json(counted(c.var.session.data?.userId, count));
    });
    app.post(PATHS.login, async (c) => {
      const userId = nextUser();
      await c.var.session.update({ ...DATA, userId });
      return c.json(cartOf(userId, DATA));
    });
    return { server: fetchServer(app.fetch) };
  },
});

export const honoSessions: readonly Contender[] = [
  contender("cookie", undefined),
  contender("redis", onRedis),
];
