import { Router, urlencoded } from "express";
import { textOf } from "./input.js";

export function logoutRoutes({ provider, providerSessions }) {
  const routes = new Router();

  routes.post("/logout", async ({ session }, response) => {
    const { handle } = session;
    const there = providerSessions.of(handle);
    await session.logout();
    // Now: if this fails, the note stays. If what follows fails, the user is signed out here all the same.
    await session.save();
    providerSessions.forget(handle);
    const url = there && (await provider.logoutUrl(there.id_token).catch(() => undefined));
    response.redirect(303, url ?? "/");
  });

  return routes;
}

/** The provider's own request, from its server: without cookies, and before originCheck and the sessions. */
export function backchannelLogout({ provider, providerSessions }) {
  const routes = new Router();

  routes.post(
    "/openid/backchannel-logout",
    urlencoded({ extended: false, limit: "20kb" }),
    async ({ body }, response) => {
      response.set("Cache-Control", "no-store");
      const logout = await provider.logoutOf(textOf(body?.logout_token));
      const isDone = logout !== undefined && (await providerSessions.end(logout));
      if (!isDone) return response.status(400).json({ error: "invalid_request" });
      response.sendStatus(200);
    },
  );

  return routes;
}
