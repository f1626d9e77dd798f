// npm i express psession; node app.js
import express from "express";
import { originCheck, requireFresh, requireLogin } from "psession/express";
import session from "psession/express-session";
import { sqliteStore } from "psession/sqlite";

const users = { "ada@example.com": { id: 1, password: "only for trying it out" } };

const app = express();
app.use(originCheck());
app.use(
  session({
    store: sqliteStore({ path: process.env.DATABASE ?? "sessions.sqlite" }),
    secret: [process.env.SESSION_SECRET], // 32 random bytes as text: npx psession keys generate
    resave: false,
    saveUninitialized: false,
    cookie: { secure: "auto" }, // plain http while developing, Secure in production
  }),
  express.json(),
);

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
  session.cart = [...(session.cart ?? []), body.item];
  response.redirect(303, "/cart");
});

app.get("/cart", ({ session }, response) => response.json(session.cart ?? []));

app.get("/devices", requireLogin(), async ({ session }, response) => response.json(await session.devices()));

app.get("/billing", requireFresh({ within: "10m" }), (_request, response) => response.json("your cards"));

app.listen(process.env.PORT ?? 3000);
