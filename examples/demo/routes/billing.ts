import { type Request, type Response, Router } from "express";
import { requireFresh } from "psession/express";
import { done, prefersJson, sendPage } from "../answer.ts";
import { findCard } from "../billing.ts";
import { showAgain } from "../errors.ts";
import { localPath, readNext, readPassword, readText } from "../input.ts";
import { confirmPage } from "../pages/account.ts";
import { billingPage, cardPage } from "../pages/billing.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";
import { signedIn } from "../signed-in.ts";
import { describeVisitor, frameOf, signedInUser } from "../visitor.ts";
import { onlyTheUser } from "./support.ts";

const CARD_LENGTH = { min: 1, max: 40 };

/** Pages that a remember cookie does not open, and the form that does. */
export function billingRoutes({ users, credentials, passkeys, billing, psession, clock }: Parts): Router {
  const router = Router();
  const accountOf = (request: Request) => billing.accountOf(signedInUser(request, users).id, clock.now());

  router.get(
    "/billing",
    signedIn,
    onlyTheUser,
    requireFresh({ within: "10m", redirectTo: "/confirm?next=/billing" }),
    (request, response) => {
      const { authenticatedAt = 0 } = request.session;
      const account = accountOf(request);
      if (prefersJson(request)) return response.json({ authenticatedAt, ...account });
      const model = { now: clock.now(), authenticatedAt, account };
      return sendPage(response, billingPage(frameOf(request, users), model));
    },
  );

  // A change needs a more recent proof than a look: a person who finds the page open must not be able to make it.
  router.use(
    "/billing/card",
    signedIn,
    onlyTheUser,
    requireFresh({ within: "2m", redirectTo: "/confirm?next=/billing/card" }),
  );
  const choice = (request: Request, problem?: string) =>
    cardPage(frameOf(request, users), { account: accountOf(request), problem });

  router.get("/billing/card", (request, response) => sendPage(response, choice(request)));

  router.post(
    "/billing/card",
    (request: Request, response: Response) => {
      const card = findCard(readText(request, "card", CARD_LENGTH));
      if (card === undefined) throw new Refusal(400, "invalid_input", "You have no such card.");
      billing.payWith(signedInUser(request, users).id, card);
      const { session } = request;
      psession.audit.add({ event: "cardChanged", session, detail: card.name });
      session.set("notice", `Your ${card.name} pays from now on.`);
      done(request, response, { data: { card }, goTo: "/billing" });
    },
    showAgain(choice),
  );

  const form = (request: Request, problem?: string) => {
    const hasPasskeys = passkeys.list(signedInUser(request, users).id).length > 0;
    return problem === undefined
      ? confirmPage(frameOf(request, users), { hasPasskeys, next: localPath(request.query["next"]) })
      : confirmPage(frameOf(request, users), { hasPasskeys, next: readNext(request), problem });
  };

  router.get("/confirm", signedIn, onlyTheUser, (request, response) => sendPage(response, form(request)));

  router.post(
    "/confirm",
    signedIn,
    onlyTheUser,
    async (request: Request, response: Response) => {
      const password = readPassword(request, "password");
      await credentials.check(request.session, signedInUser(request, users).email, password);
      await request.session.prove("password");
      done(request, response, { data: describeVisitor(request, users), goTo: readNext(request) });
    },
    showAgain(form),
  );

  return router;
}
