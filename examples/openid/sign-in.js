import { Router } from "express";
import { requireLogin } from "psession/express";
import { sendToProvider } from "./attempts.js";
import { ownPath, textOf } from "./input.js";
import { confirmPage, loginPage } from "./pages.js";

/** The provider's name for two factors, and ours for a sign-in with them. */
export const TWO_FACTORS = "urn:example:two-factors";
export const STRONG_METHOD = "openid:2fa";

const asking = (page) => (path) => `${page}next=${encodeURIComponent(path)}`;
export const toLogin = { redirectTo: asking("/login?") };
export const FRESH = { within: "10m", redirectTo: asking("/confirm?") };
export const STRONG = { within: "10m", method: STRONG_METHOD, redirectTo: asking("/confirm?strong=on&") };

const WRONG = "That email and password do not belong together.";
const isPassword = (user, password) => user?.password != null && user.password === password; // compare hashes instead

export function signInRoutes({ users, provider, providerSessions, now }) {
  const routes = new Router();

  routes.get("/login", ({ query }, response) => {
    response.send(loginPage({ next: ownPath(query.next) }));
  });

  routes.post("/login", async ({ body, session }, response) => {
    const next = ownPath(body?.next);
    const user = users.byEmail(textOf(body?.email).toLowerCase());
    if (!isPassword(user, body?.password))
      return response.status(401).send(loginPage({ next, problem: WRONG }));
    const options = { method: "password", remember: body.remember === "on" };
    await providerSessions.signIn(session, user.id, options);
    response.redirect(303, next);
  });

  // By POST: another site cannot begin a sign-in, as originCheck refuses its form.
  routes.post("/openid/sign-in", async ({ body, session }, response) => {
    const attempt = {
      purpose: "sign-in",
      at: now(),
      next: ownPath(body?.next),
      remember: body?.remember === "on",
    };
    await sendToProvider({ provider, session, response }, attempt);
  });

  const confirming = ({ session, strong, next, problem }) => {
    const { password } = users.byId(session.userId);
    const hasProvider =
      provider.canConfirm && users.identityOf(session.userId, provider.issuer) !== undefined;
    return confirmPage({ next, strong, problem, hasPassword: password !== null && !strong, hasProvider });
  };

  routes.get("/confirm", requireLogin(toLogin), ({ query, session }, response) => {
    const next = ownPath(query.next);
    const strong = query.strong === "on";
    if (session.isFresh(strong ? STRONG : FRESH)) return response.redirect(303, next);
    response.send(confirming({ session, strong, next }));
  });

  routes.post("/confirm", requireLogin(toLogin), async ({ body, session }, response) => {
    const next = ownPath(body?.next);
    if (!isPassword(users.byId(session.userId), body?.password))
      return response.status(401).send(confirming({ session, next, problem: "That is not your password." }));
    await session.prove("password");
    response.redirect(303, next);
  });

  // The provider is asked to check a credential now, and to say when it did.
  routes.post("/openid/confirm", requireLogin(toLogin), async ({ body, session }, response) => {
    const strong = body?.strong === "on";
    const attempt = {
      purpose: "confirm",
      at: now(),
      next: ownPath(body?.next),
      userId: session.userId,
      strong,
    };
    const parameters = { prompt: "login", max_age: "600", ...(strong ? { acr_values: TWO_FACTORS } : {}) };
    await sendToProvider({ provider, session, response }, attempt, parameters);
  });

  return routes;
}
