import { type Request, type Response, Router } from "express";
import { done, sendPage } from "../answer.ts";
import { showAgain } from "../errors.ts";
import { readNewPassword, readPassword } from "../input.ts";
import { passwordPage } from "../pages/account.ts";
import type { Parts } from "../parts.ts";
import { hashPassword } from "../passwords.ts";
import { signedIn } from "../signed-in.ts";
import { frameOf, signedInUser } from "../visitor.ts";

/** Changing the password ends every other device. */
export function passwordRoutes({ users, credentials, psession }: Parts): Router {
  const router = Router();
  const form = (request: Request, problem?: string) =>
    passwordPage(frameOf(request, users), problem === undefined ? {} : { problem });

  router.get("/password", signedIn, (request, response) => sendPage(response, form(request)));

  router.post(
    "/password",
    signedIn,
    async (request: Request, response: Response) => {
      const current = readPassword(request, "current");
      const next = readNewPassword(request, "next");
      const user = await credentials.check(request.session, signedInUser(request, users).email, current);
      users.setPassword(user.id, await hashPassword(next));
      const ended = await psession.passwordChanged(user.id, { keep: request.session });
      const others = ended === 0 ? "" : ` Other devices signed out: ${ended}.`;
      request.session.set("notice", `Your password was changed.${others}`);
      done(request, response, { data: { ended }, goTo: "/" });
    },
    showAgain(form),
  );

  return router;
}
