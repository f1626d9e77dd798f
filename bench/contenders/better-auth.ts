import { createServer, type RequestListener } from "node:http";
import type { User } from "better-auth";
import { pgPool, sqliteDatabase } from "../drivers.ts";
import { nodeRoutes, sendJson } from "../frameworks.ts";
import type { Place } from "../stores.ts";
import { cartOf, counted, DATA, KEY, type ShopData } from "../workload.ts";
import type { Contender } from "./contender.ts";

const USERS = 100;
const fields = {
  data: { type: "string", required: false },
  count: { type: "number", required: false },
} as const;

/** Loaded only in its own server: otherwise all others would wait for it. */
async function authAt(database: object, cookieCache: boolean) {
  const { betterAuth } = await import("better-auth");
  const { createAuthEndpoint } = await import("better-auth/api");
  const { setSessionCookie } = await import("better-auth/cookies");
  const { getMigrations } = await import("better-auth/db/migration");
  const users: User[] = [];
  let next = 0;
  /** As its plugins do for users who proved their identity in another way. */
  const signInNext = createAuthEndpoint("/sign-in/next", { method: "POST" }, async (ctx) => {
    const user = users[next++ % USERS] as User;
    const data = JSON.stringify(DATA);
    const session = await ctx.context.internalAdapter.createSession(user.id, false, { data });
    await setSessionCookie(ctx, { session, user });
    return ctx.json(cartOf(user.id, DATA));
  });
  const auth = betterAuth({
    baseURL: "https://shop.example",
    secret: KEY,
    database: database as never,
    session: { additionalFields: fields, cookieCache: { enabled: cookieCache } },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    plugins: [{ id: "bench", endpoints: { signInNext } }],
  });
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
  const context = await auth.$context;
  for (let number = 0; number < USERS; number++) {
    const email = `${process.pid}-${number}@shop.example`;
    const user = { name: `User ${number}`, email, emailVerified: true };
    users.push(await context.internalAdapter.createUser(user, { method: "bench" }));
  }
  return auth;
}

type Auth = Awaited<ReturnType<typeof authAt>>;

async function pagesOf(auth: Auth): Promise<Record<"cart" | "count" | "login", RequestListener>> {
  const { fromNodeHeaders } = await import("better-auth/node");
  const send = (response: Parameters<RequestListener>[1], headers: Headers, body: unknown) => {
    const cookies = headers.getSetCookie();
    if (cookies.length > 0) response.setHeader("Set-Cookie", cookies);
    sendJson(response, body);
  };
  return {
    async cart(request, response) {
      const found = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) });
      const data = found?.session.data;
      sendJson(response, cartOf(found?.user.id, data ? (JSON.parse(data) as ShopData) : undefined));
    },
    async count(request, response) {
      const headers = fromNodeHeaders(request.headers);
      const found = await auth.api.getSession({ headers });
      const count = (found?.session.count ?? 0) + 1;
      const updated = await auth.api.updateSession({ body: { count }, headers, returnHeaders: true });
      send(response, updated.headers, counted(found?.user.id, count));
    },
    async login(request, response) {
      const headers = fromNodeHeaders(request.headers);
      const answer = await auth.api.signInNext({ headers, returnHeaders: true });
      send(response, answer.headers, answer.response);
    },
  };
}

const contender = (
  store: "postgres" | "sqlite",
  open: (place: Place) => object,
  cookieCache: boolean,
): Contender => ({
  library: `better-auth${cookieCache ? ", cookieCache" : ""}`,
  kind: "peer",
  framework: "node",
  store,
  tables: "better-auth",
  scenarios: ["no-cookie", "untouched", "read", "write", "login"],
  start: async (place) => ({
    server: createServer(nodeRoutes(await pagesOf(await authAt(open(place), cookieCache)))),
  }),
});

export const betterAuths: readonly Contender[] = [
  contender("postgres", pgPool, false),
  contender("postgres", pgPool, true),
  contender("sqlite", sqliteDatabase, false),
];
