import { Router } from "express";
import { requireLogin } from "psession/express";
import type { Lab } from "../lab.ts";
import type { Parts } from "../parts.ts";

/** Pages that stay open hear at once that their session has ended, wherever and by whomever it was ended. */
export function openPageRoutes({ events, clock }: Parts, lab: Lab): Router {
  const router = Router();

  router.get("/session-end", requireLogin(), (request, response) => {
    const { session } = request;
    // An open page is no use of the session, however often it connects again: its user may be away.
    session.bePassive();
    response.type("text/event-stream").flushHeaders();
    const stop = session.onEnd(() => {
      events.addHeard(session.userId, clock.now());
      response.end("event: ended\ndata:\n\n");
    });
    const left = lab.pageOpened(request);
    response.on("close", () => {
      stop();
      left();
    });
  });

  return router;
}
