// npm i hono @hono/node-server psession; node app.js
import { serve } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { Hono } from "hono";
import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { originCheck, requireFresh, requireLogin, sessions } from "psession/hono";
import { sqliteStore } from "psession/sqlite";

const psession = createPsession({
  store: sqliteStore({ path: process.env.DATABASE ?? "sessions.sqlite" }),
  keys: process.env.SESSION_KEYS, // 32 random bytes as text: npx psession keys generate
  [dangerouslyAllowInsecureHttp]: true, // for http://localhost; refused in production
});

const users = { "ada@example.com": { id: 1, password: "only for trying it out" } };

const app = new Hono();
app.use(originCheck(), sessions(psession, { address: (c) => getConnInfo(c).remote.address }));

app.post("/login", async (c) => {
  const { email, password, remember } = await c.req.json();
  const user = users[email];
  if (user === undefined || user.password !== password) return c.text("Unauthorized", 401);
  const session = await c.var.session;
  await session.login(user.id, { remember: remember === "on" });
  return c.redirect("/cart", 303);
});

app.post("/logout", async (c) => {
  const session = await c.var.session;
  await session.logout();
  return c.body(null, 204);
});

app.post("/cart", async (c) => {
  const { item } = await c.req.json();
  const session = await c.var.session;
  session.push("cart", item);
  return c.redirect("/cart", 303);
});

app.get("/cart", async (c) => {
  const session = await c.var.session;
  return c.json(session.data.cart ?? []);
});

app.get("/devices", requireLogin(), async (c) => {
  const session = await c.var.session;
  return c.json(await session.devices());
});

app.get("/billing", requireFresh({ within: "10m" }), (c) => c.json("your cards"));

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) });

process.once("SIGTERM", () => server.close(() => psession.close()));
