import express from "express";
import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { originCheck, sessions } from "psession/express";
import { sqliteStore } from "psession/sqlite";
import { accountRoutes } from "./account.js";
import { callbackRoutes, postedCallback } from "./callback.js";
import { textOf } from "./input.js";
import { backchannelLogout, logoutRoutes } from "./logout.js";
import { homePage, problemPage } from "./pages.js";
import { ProviderSessions } from "./provider-sessions.js";
import { signInRoutes } from "./sign-in.js";
import { Users } from "./users.js";

export function createApp({ database, keys, provider, notify, clock, plainHttp = false }) {
  const psession = createPsession({
    store: sqliteStore({ database, userIds: "integer" }),
    keys,
    clock,
    ...(plainHttp ? { [dangerouslyAllowInsecureHttp]: true } : {}),
  });
  const now = () => (clock ?? Date).now();
  const users = new Users(database);
  const providerSessions = new ProviderSessions({ database, psession, now });
  const parts = { psession, users, provider, providerSessions, notify, now };
  psession.on("credentialChanged", ({ userId, factor }) => notify(users.byId(userId), `Changed: ${factor}.`));

  const headers = {
    // Browsers apply form-action to redirects too: our forms lead to the provider.
    "Content-Security-Policy": `default-src 'none'; img-src data:; form-action 'self' ${new URL(provider.issuer).origin}; base-uri 'none'; frame-ancestors 'none'`,
    "Referrer-Policy": "same-origin", // addresses of callbacks have codes in them
    "X-Content-Type-Options": "nosniff",
  };

  const app = express();
  app.disable("x-powered-by");
  app.use((_request, response, next) => {
    response.set(headers);
    next();
  });
  app.use(postedCallback(), backchannelLogout(parts));
  app.use(originCheck(), sessions(psession), express.urlencoded({ extended: false, limit: "20kb" }));

  app.get("/", ({ session }, response) => {
    const user = session.isSignedIn ? users.byId(session.userId) : undefined;
    response.send(homePage({ user, level: session.level, cart: session.data.cart ?? [] }));
  });
  app.post("/cart", ({ body, session }, response) => {
    session.push("cart", textOf(body?.item));
    response.redirect(303, "/");
  });
  app.use(signInRoutes(parts), callbackRoutes(parts), accountRoutes(parts), logoutRoutes(parts));

  app.use((_request, response) => {
    response.status(404).send(problemPage(404));
  });
  app.use((error, _request, response, next) => {
    if (response.headersSent) return next(error);
    const { status = 500, headers = {} } = error;
    if (status >= 500) console.error(error);
    response.status(status).set(headers).send(problemPage(status));
  });
  return { app, psession, users };
}
