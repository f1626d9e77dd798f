import { type Request, type Response, Router } from "express";
import { requireFresh, requireLogin } from "psession/express";
import { done, prefersJson, sendPage } from "../answer.ts";
import { showAgain } from "../errors.ts";
import { localPath, readNext, readPassword } from "../input.ts";
import { confirmPage } from "../pages/account.ts";
import { billingPage } from "../pages/billing.ts";
import type { Parts } from "../parts.ts";
import { describeVisitor, frameOf, signedInUser } from "../visitor.ts";

/** A page that a remember cookie does not open, and the form that does. */
export function billingRoutes({ users, credentials }: Parts): Router {
  const router = Router();

  router.get(
    "/billing",
    requireLogin({ redirectTo: "/login?next=/billing" }),
    requireFresh({ within: "10m", redirectTo: "/confirm?next=/billing" }),
    (request, response) => {
      const { authenticatedAt = 0 } = request.session;
      if (prefersJson(request)) response.json({ authenticatedAt });
      else sendPage(response, billingPage(frameOf(request, users), authenticatedAt));
    },
  );

  const signedIn = requireLogin({ redirectTo: "/login" });
  const form = (request: Request, problem?: string) =>
    problem === undefined
      ? confirmPage(frameOf(request, users), { next: localPath(request.query["next"]) })
      : confirmPage(frameOf(request, users), { next: readNext(request), problem });

  router.get("/confirm", signedIn, (request, response) => sendPage(response, form(request)));

  router.post(
    "/confirm",
    signedIn,
    async (request: Request, response: Response) => {
      const password = readPassword(request, "password");
      await credentials.check(signedInUser(request, users).email, password);
      await request.session.reauthenticate();
      done(request, response, { data: describeVisitor(request, users), goTo: readNext(request) });
    },
    showAgain(form),
  );

  return router;
}
