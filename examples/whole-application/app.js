import express from "express";
import { createPsession } from "psession";
import { originCheck, sessions } from "psession/express";
import { sqliteStore } from "psession/sqlite";
import { accountRoutes } from "./account.js";
import { byMailRoutes } from "./by-mail.js";
import { textOf } from "./input.js";
import { mailNews } from "./mails.js";
import { homePage, problemPage } from "./pages.js";
import { signInRoutes } from "./sign-in.js";
import { Users } from "./users.js";

const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

export function createApp({ database, keys, origin, sendMail, clock }) {
  const users = new Users(database);
  const psession = createPsession({
    store: sqliteStore({ database, userIds: "integer" }),
    keys,
    clock,
    devices: { detectNew: true },
    proxy: { requestStart: "x-request-start" },
  });
  const parts = { psession, users, origin, sendMail, now: () => (clock ?? Date).now() };
  mailNews(parts);

  const app = express();
  app.disable("x-powered-by");
  app.set("trust proxy", "loopback");
  app.use((_request, response, next) => {
    response.set(HEADERS);
    next();
  });
  app.use(originCheck(), sessions(psession), express.urlencoded({ limit: "10kb" }));

  app.get("/", async ({ session }, response) => {
    const { cart = [] } = session.data;
    const user = session.isSignedIn ? users.byId(session.userId) : undefined;
    response.send(homePage({ user, cart, message: await session.flash.get("message") }));
  });
  app.post("/cart", ({ body, session }, response) => {
    session.push("cart", textOf(body?.item));
    response.redirect(303, "/");
  });
  app.use(signInRoutes(parts), byMailRoutes(parts), accountRoutes(parts));

  app.use((_request, response) => {
    response.status(404).send(problemPage(404));
  });
  app.use((error, _request, response, next) => {
    if (response.headersSent) return next(error);
    const { status = 500, headers = {} } = error;
    if (status >= 500) console.error(error);
    response.status(status).set(headers).send(problemPage(status));
  });
  return { app, psession };
}
