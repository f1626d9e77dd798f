// npm i fastify psession; node app.js
import fastify from "fastify";
import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { originCheck, requireFresh, requireLogin, sessions } from "psession/fastify";
import { sqliteStore } from "psession/sqlite";

const psession = createPsession({
  store: sqliteStore({ path: process.env.DATABASE ?? "sessions.sqlite" }),
  keys: process.env.SESSION_KEYS, // 32 random bytes as text: npx psession keys generate
  [dangerouslyAllowInsecureHttp]: true, // for http://localhost; refused in production
});

const users = { "ada@example.com": { id: 1, password: "only for trying it out" } };

const app = fastify();
app.addHook("onRequest", originCheck());
await app.register(sessions, { psession });
app.addHook("onClose", () => psession.close());

app.post("/login", async (request, reply) => {
  const { email, password, remember } = request.body;
  const user = users[email];
  if (user === undefined || user.password !== password) return reply.code(401).send();
  const session = await request.openSession();
  await session.login(user.id, { remember: remember === "on" });
  return reply.redirect("/cart", 303);
});

app.post("/logout", async (request, reply) => {
  const session = await request.openSession();
  await session.logout();
  return reply.code(204).send();
});

app.post("/cart", async (request, reply) => {
  const session = await request.openSession();
  session.push("cart", request.body.item);
  return reply.redirect("/cart", 303);
});

app.get("/cart", async (request) => {
  const session = await request.openSession();
  return session.data.cart ?? [];
});

// Behind a guard the session is open.
app.get("/devices", { preHandler: requireLogin() }, ({ session }) => session.devices());

app.get("/billing", { preHandler: requireFresh({ within: "10m" }) }, (_request, reply) =>
  reply.type("application/json").send(JSON.stringify("your cards")),
);

await app.listen({ port: Number(process.env.PORT ?? 3000) });

process.once("SIGTERM", () => app.close());
