// npm i koa psession; node app.js
import { json } from "node:stream/consumers";
import Koa from "koa";
import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { originCheck, requireFresh, requireLogin, sessions } from "psession/koa";
import { sqliteStore } from "psession/sqlite";

const psession = createPsession({
  store: sqliteStore({ path: process.env.DATABASE ?? "sessions.sqlite" }),
  keys: process.env.SESSION_KEYS, // 32 random bytes as text: npx psession keys generate
  [dangerouslyAllowInsecureHttp]: true, // for http://localhost; refused in production
});

const users = { "ada@example.com": { id: 1, password: "only for trying it out" } };

const members = requireLogin();
const confirmed = requireFresh({ within: "10m" });

const routes = {
  async "POST /login"(ctx) {
    const { email, password, remember } = await json(ctx.req);
    const user = users[email];
    if (user === undefined || user.password !== password) ctx.throw(401);
    const session = await ctx.openSession();
    await session.login(user.id, { remember: remember === "on" });
    ctx.redirect("/cart");
    ctx.status = 303;
  },
  async "POST /logout"(ctx) {
    const session = await ctx.openSession();
    await session.logout();
    ctx.status = 204;
  },
  async "POST /cart"(ctx) {
    const { item } = await json(ctx.req);
    const session = await ctx.openSession();
    session.push("cart", item);
    ctx.redirect("/cart");
    ctx.status = 303;
  },
  async "GET /cart"(ctx) {
    const session = await ctx.openSession();
    ctx.body = session.data.cart ?? [];
  },
  "GET /devices": (ctx) =>
    members(ctx, async () => {
      ctx.body = await ctx.session.devices();
    }),
  "GET /billing": (ctx) =>
    confirmed(ctx, () => {
      ctx.body = JSON.stringify("your cards");
    }),
};

const app = new Koa();
app.use(originCheck());
app.use(sessions(psession));
app.use((ctx) => routes[`${ctx.method} ${ctx.path}`]?.(ctx));

const server = app.listen(process.env.PORT ?? 3000);

process.once("SIGTERM", () => server.close(() => psession.close()));
