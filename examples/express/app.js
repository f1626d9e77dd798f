// npm i express psession; node app.js
import express from "express";
import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { originCheck, requireFresh, requireLogin, sessions } from "psession/express";
import { sqliteStore } from "psession/sqlite";

const psession = createPsession({
  store: sqliteStore({ path: process.env.DATABASE ?? "sessions.sqlite" }),
  keys: process.env.SESSION_KEYS, // 32 random bytes as text: npx psession keys generate
  [dangerouslyAllowInsecureHttp]: true, // for http://localhost; refused in production
});

const users = { "ada@example.com": { id: 1, password: "only for trying it out" } };

const app = express();
app.use(originCheck(), sessions(psession), express.json());

app.post("/login", async ({ body, session }, response) => {
  const user = users[body.email];
  if (user === undefined || user.password !== body.password) return response.sendStatus(401);
  await session.login(user.id, { remember: body.remember === "on" });
  response.redirect(303, "/cart");
});

app.post("/logout", async ({ session }, response) => {
  await session.logout();
  response.sendStatus(204);
});

app.post("/cart", ({ body, session }, response) => {
  session.push("cart", body.item);
  response.redirect(303, "/cart");
});

app.get("/cart", ({ session }, response) => response.json(session.data.cart ?? []));

app.get("/devices", requireLogin(), async ({ session }, response) => response.json(await session.devices()));

app.get("/billing", requireFresh({ within: "10m" }), (_request, response) => response.json("your cards"));

const server = app.listen(process.env.PORT ?? 3000);

process.once("SIGTERM", () => server.close(() => psession.close()));
