import { type Request, type Response, Router } from "express";
import { done, sendPage } from "../answer.ts";
import { showAgain } from "../errors.ts";
import { readEmail } from "../input.ts";
import { keepLastLogin, readLastLogin } from "../last-login.ts";
import { emailPage } from "../pages/account.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";
import { strongest } from "../strong.ts";
import { frameOf, signedInUser } from "../visitor.ts";
import { onlyTheUser } from "./support.ts";

/** Another email for the account. psession knows users by their id, so all that it needs is an entry for the record. */
export function emailRoutes(parts: Parts): Router {
  const { users, resets, outbox, psession, clock } = parts;
  const router = Router();
  router.use("/account/email", onlyTheUser, strongest(parts));

  const form = (request: Request, problem?: string) => emailPage(frameOf(request, users), problem);

  router.get("/account/email", (request, response) => sendPage(response, form(request)));

  router.post(
    "/account/email",
    (request: Request, response: Response) => {
      const { session } = request;
      const email = readEmail(request);
      const { id, email: before } = signedInUser(request, users);
      if (!users.setEmail(id, email))
        throw new Refusal(409, "email_taken", "There is an account with this email already.");
      // Links that went to the other address set no password any more.
      resets.end(id);
      outbox.send({ to: before, at: clock.now(), text: `The email of your account is ${email} now.` });
      psession.audit.add({ event: "emailChanged", session, detail: before });
      keepLastLogin(response, { ...readLastLogin(request), email });
      session.set("notice", `Your email is ${email} now.`);
      done(request, response, { data: { email }, goTo: "/account" });
    },
    showAgain(form),
  );

  return router;
}
