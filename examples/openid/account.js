import { Router } from "express";
import { requireFresh, requireLogin } from "psession/express";
import { sendToProvider } from "./attempts.js";
import { accountPage, problemPage } from "./pages.js";
import { FRESH, STRONG, toLogin } from "./sign-in.js";

export function accountRoutes({ psession, users, provider, providerSessions, now }) {
  const routes = new Router();
  const fresh = requireFresh(FRESH);

  routes.get("/account", requireLogin(toLogin), ({ session }, response) => {
    const user = users.byId(session.userId);
    response.send(accountPage({ user, isLinked: users.identityOf(user.id, provider.issuer) !== undefined }));
  });

  // A way to sign in is added: only by the user, who has just confirmed to be one.
  routes.post("/openid/link", fresh, async ({ session }, response) => {
    const attempt = { purpose: "link", at: now(), next: "/account", userId: session.userId };
    await sendToProvider({ provider, session, response }, attempt);
  });

  routes.post("/openid/unlink", fresh, async ({ session }, response) => {
    const { id, password } = users.byId(session.userId);
    if (password === null) return response.status(409).send(problemPage("only_way_in"));
    users.unlink(id, provider.issuer);
    providerSessions.forgetUser(id, provider.issuer);
    // Ends the other devices, and sign-ins by the provider that are under way; emits credentialChanged for the mail.
    await psession.passwordChanged(id, { keep: session, factor: "sign-in with Example ID" });
    response.redirect(303, "/account");
  });

  routes.get("/billing", requireFresh(FRESH), (_request, response) => response.send("your cards"));
  routes.get("/payout", requireFresh(STRONG), (_request, response) => response.send("a payout"));

  return routes;
}
