import fastify, { type FastifyPluginCallback } from "fastify";
import { ABOUT, cartOf, counted, DATA, nextUser, PATHS, type ShopData } from "../workload.ts";
import type { Contender } from "./contender.ts";
import { SETTINGS, STORES } from "./express-session.ts";
import { peer } from "./peer.ts";

interface FastifySession {
  get<Key extends keyof ShopData | "userId">(key: Key): (ShopData & { userId?: string })[Key];
  set(key: string, value: unknown): void;
  regenerate(): Promise<void>;
}
interface SessionOptions {
  secret: readonly string[];
  saveUninitialized: boolean;
  cookie: object;
  rolling?: boolean;
  store: object;
}
const sessionOf = (request: object) => (request as { session: FastifySession }).session;

/** @fastify/session 11, on the stores that its README names. `rolling` is true unless it is switched off. */
const contender = (
  name: "connect-redis" | "connect-pg-simple",
  store: Contender["store"],
  rolling: boolean,
): Contender => ({
  library: `@fastify/session, ${name}${rolling ? "" : ", rolling: false"}`,
  kind: "peer",
  framework: "fastify",
  store,
  // Its rows have another cookie in them than express-session's.
  tables: `fastify-${name}`,
  scenarios: ["no-cookie", "untouched", "read", "write", "login"],
  async start(place) {
    const cookies = await peer<FastifyPluginCallback<object>>("@fastify/cookie");
    const sessions = await peer<FastifyPluginCallback<SessionOptions>>("@fastify/session");
    const app = fastify({ trustProxy: true });
    await app.register(cookies, {});
    await app.register(sessions, {
      secret: SETTINGS.secret,
      saveUninitialized: false,
      cookie: { ...SETTINGS.cookie },
      ...(rolling ? {} : { rolling }),
      store: await STORES[name](place, await peer("express-session")),
    });
    app.get(PATHS.about, async () => ABOUT);
    app.get(PATHS.cart, async (request) => {
      const session = sessionOf(request);
      return cartOf(session.get("userId"), { cart: session.get("cart") as typeof DATA.cart });
    });
    app.post(PATHS.count, async (request) => {
      const session = sessionOf(request);
      const count = (session.get("count") ?? 0) + 1;
      session.set("count", count);
      return counted(session.get("userId"), count);
    });
    app.post(PATHS.login, async (request) => {
      await sessionOf(request).regenerate();
      const session = sessionOf(request);
      const user = nextUser();
      for (const [key, value] of Object.entries({ ...DATA, userId: user })) session.set(key, value);
      return cartOf(user, DATA);
    });
    await app.ready();
    return { server: app.server };
  },
});

export const fastifySessions: readonly Contender[] = [
  contender("connect-redis", "redis", true),
  contender("connect-redis", "redis", false),
  contender("connect-pg-simple", "postgres", true),
  contender("connect-pg-simple", "postgres", false),
];
