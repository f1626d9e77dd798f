import { Router } from "express";
import { requireFresh, requireLogin } from "psession/express";
import { isLongEnough, TOO_SHORT, textOf } from "./input.js";
import { changePasswordPage, devicesPage } from "./pages.js";
import { hashPassword } from "./passwords.js";
import { FRESH, toLogin } from "./sign-in.js";

export function accountRoutes({ psession, users, now }) {
  const routes = new Router();

  routes.get("/devices", requireLogin(toLogin), async ({ session }, response) => {
    response.send(devicesPage(await session.devices()));
  });

  routes.post("/devices/end", requireFresh(FRESH), async ({ body, session }, response) => {
    await session.revoke(textOf(body?.handle));
    response.redirect(303, "/devices");
  });

  routes.post("/devices/end-others", requireFresh(FRESH), async ({ session }, response) => {
    await session.revokeOthers();
    response.redirect(303, "/devices");
  });

  routes.get("/password", requireFresh(FRESH), (_request, response) => {
    response.send(changePasswordPage({}));
  });

  routes.post("/password", requireFresh(FRESH), async ({ body, session }, response) => {
    const password = textOf(body?.password);
    if (!isLongEnough(password)) return response.status(400).send(changePasswordPage({ problem: TOO_SHORT }));
    const { id, email } = users.byId(session.userId);
    users.setPassword(email, await hashPassword(password), now());
    const ended = await psession.passwordChanged(id, { keep: session });
    users.dropLinks(email);
    session.flash.set("message", `Your password was changed. Other devices that were signed out: ${ended}.`);
    response.redirect(303, "/");
  });

  return routes;
}
