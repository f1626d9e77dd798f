import { Router } from "express";
import { requireLogin } from "psession/express";
import { byAddress, byEmail, byUser, emailOf, limited, ownPath, textOf } from "./input.js";
import { confirmPage, loginPage } from "./pages.js";
import { isPassword } from "./passwords.js";

export const toLogin = { redirectTo: (path) => `/login?next=${encodeURIComponent(path)}` };
export const FRESH = { within: "10m", redirectTo: (path) => `/confirm?next=${encodeURIComponent(path)}` };

const WRONG = "That email and password do not belong together.";
/** Only refusals count: a wrong password gets a 401. */
const refusals = { skipSuccessfulRequests: true };

export function signInRoutes({ users, now }) {
  const routes = new Router();

  routes.get("/login", ({ query }, response) => {
    response.send(loginPage({ next: ownPath(query.next) }));
  });

  const guesses = [limited(100, byAddress, refusals), limited(10, byEmail, refusals)];
  routes.post("/login", guesses, async ({ body, session }, response) => {
    const next = ownPath(body?.next);
    const user = users.byEmail(emailOf(body));
    if (!(await isPassword(textOf(body?.password), user?.password)))
      return response.status(401).send(loginPage({ next, problem: WRONG }));
    await session.login(user.id, { remember: body.remember === "on" });
    response.redirect(303, next);
  });

  routes.get("/confirm", requireLogin(toLogin), ({ query, session }, response) => {
    const next = ownPath(query.next);
    if (session.isFresh(FRESH)) return response.redirect(303, next);
    response.send(confirmPage({ next }));
  });

  const ownGuesses = limited(10, byUser, refusals);
  routes.post("/confirm", requireLogin(toLogin), ownGuesses, async ({ body, session }, response) => {
    const provedAt = now();
    const next = ownPath(body?.next);
    const user = users.byId(session.userId);
    if (!(await isPassword(textOf(body?.password), user?.password)))
      return response.status(401).send(confirmPage({ next, problem: "That is not your password." }));
    await session.reauthenticate({ provedAt });
    response.redirect(303, next);
  });

  routes.post("/logout", async ({ session }, response) => {
    await session.logout();
    response.redirect(303, "/");
  });

  return routes;
}
