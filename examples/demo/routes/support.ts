import { type Request, type Response, Router } from "express";
import { forbidImpersonation, requireFresh } from "psession/express";
import { done, prefersJson, sendPage } from "../answer.ts";
import { showAgain } from "../errors.ts";
import { readText, readWholeNumber } from "../input.ts";
import { refusedPage, supportPage } from "../pages/support.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";
import { signedIn } from "../signed-in.ts";
import { isSupport } from "../support.ts";
import type { User } from "../users.ts";
import { describeVisitor, frameOf, signedInUser } from "../visitor.ts";

const REASON_LENGTH = { min: 1, max: 100 };

/** Pages that only the user may use. Where somebody acts as the user, this says so. */
export const onlyTheUser = forbidImpersonation({ redirectTo: "/support/refused" });

/** Support looks at what a customer sees, for a quarter of an hour, or signs a customer out; with a reason each time. */
export function supportRoutes({ users, psession }: Parts): Router {
  const router = Router();

  // Before the guards: whoever acts as a customer is no support meanwhile.
  router.post("/support/stop", async (request, response) => {
    await request.session.stopImpersonating();
    done(request, response, { data: describeVisitor(request, users), goTo: "/support" });
  });

  router.get("/support/refused", (request, response) =>
    sendPage(response, refusedPage(frameOf(request, users))),
  );

  router.use(
    "/support",
    signedIn,
    onlyTheUser,
    requireFresh({ within: "10m", redirectTo: "/confirm?next=/support" }),
    (request, _response, next) => {
      if (!isSupport(signedInUser(request, users)))
        throw new Refusal(403, "not_support", "This page is for support: register as support@example.com.");
      next();
    },
  );

  const customers = () => users.latest(50).filter((user) => !isSupport(user));
  const form = (request: Request, problem?: string) =>
    supportPage(frameOf(request, users), { customers: customers(), problem });

  router.get("/support", (request, response) => {
    if (prefersJson(request))
      response.json({ customers: customers().map(({ id, email }) => ({ id, email })) });
    else sendPage(response, form(request));
  });

  router.post(
    "/support/act",
    async (request: Request, response: Response) => {
      const customer = customerOf(request);
      await request.session.impersonate(customer.id, { reason: reasonOf(request), for: "15m" });
      done(request, response, { data: describeVisitor(request, users), goTo: "/" });
    },
    showAgain(form),
  );

  router.post(
    "/support/sign-out",
    async (request: Request, response: Response) => {
      const customer = customerOf(request);
      const ended = await psession.revokeUser(customer.id, reasonOf(request));
      request.session.set("notice", `${customer.email} is signed out everywhere. Devices: ${ended}.`);
      done(request, response, { data: { ended }, goTo: "/support" });
    },
    showAgain(form),
  );

  /** Whom support must not act as is the application's to say: here, others of support. */
  const customerOf = (request: Request): User => {
    const id = readWholeNumber(request, "user", { min: 1, max: Number.MAX_SAFE_INTEGER });
    const user = users.find(id);
    if (user === undefined || isSupport(user))
      throw new Refusal(404, "not_found", "There is no such customer.");
    return user;
  };

  return router;
}

function reasonOf(request: Request): string {
  const reason = readText(request, "reason", REASON_LENGTH).trim();
  if (reason === "") throw new Refusal(400, "invalid_input", "Please say why. The customer can read it.");
  return reason;
}
