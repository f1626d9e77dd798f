// Deno, Bun, or Node with: npm i @hono/node-server psession; node app.js
import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { originCheck, requireFresh, requireLogin, withSession } from "psession/fetch";
import { sqliteStore } from "psession/sqlite";

const psession = createPsession({
  store: sqliteStore({ path: process.env.DATABASE ?? "sessions.sqlite" }),
  keys: process.env.SESSION_KEYS, // 32 random bytes as text: npx psession keys generate
  [dangerouslyAllowInsecureHttp]: true, // for http://localhost; refused in production
});

const users = { "ada@example.com": { id: 1, password: "only for trying it out" } };

const refusalOfOrigin = originCheck();
const members = requireLogin();
const fresh = requireFresh({ within: "10m" });

const seeOther = (path) => new Response(null, { status: 303, headers: { Location: path } });

const routes = {
  async "POST /login"(request, getSession) {
    const { email, password, remember } = await request.json();
    const user = users[email];
    if (user === undefined || user.password !== password)
      return new Response("Unauthorized", { status: 401 });
    const session = await getSession();
    await session.login(user.id, { remember: remember === "on" });
    return seeOther("/cart");
  },

  async "POST /logout"(_request, getSession) {
    const session = await getSession();
    await session.logout();
    return new Response(null, { status: 204 });
  },

  async "POST /cart"(request, getSession) {
    const { item } = await request.json();
    const session = await getSession();
    session.push("cart", item);
    return seeOther("/cart");
  },

  async "GET /cart"(_request, getSession) {
    const session = await getSession();
    return Response.json(session.data.cart ?? []);
  },

  async "GET /devices"(request, getSession) {
    const session = await getSession();
    return members(request, session) ?? Response.json(await session.devices());
  },

  async "GET /billing"(request, getSession) {
    return fresh(request, await getSession()) ?? Response.json("your cards");
  },
};

const answer = withSession(psession, async (request, getSession) => {
  const route = routes[`${request.method} ${new URL(request.url).pathname}`];
  return route?.(request, getSession) ?? new Response("Not found", { status: 404 });
});

const app = (request) => refusalOfOrigin(request) ?? answer(request);

const port = Number(process.env.PORT ?? 3000);
if ("Deno" in globalThis) Deno.serve({ port }, app);
else if ("Bun" in globalThis) Bun.serve({ port, fetch: app });
else (await import("@hono/node-server")).serve({ port, fetch: app });

process.once("SIGTERM", () => psession.close().then(() => process.exit()));
