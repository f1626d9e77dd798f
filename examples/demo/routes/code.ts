import { type Request, type Response, Router } from "express";
import { requirePending } from "psession/express";
import { done, sendPage } from "../answer.ts";
import { mergeCarts } from "../cart.ts";
import { showAgain } from "../errors.ts";
import { localPath, readCheckbox, readCode, readNext } from "../input.ts";
import { codePage } from "../pages/code.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";
import { describeVisitor, frameOf } from "../visitor.ts";

/** The second step of a sign-in. Until it is done nobody is signed in. */
export function codeRoutes({ users, otp }: Parts): Router {
  const router = Router();
  router.use("/login/code", requirePending({ redirectTo: "/login?late" }));

  /** The user who has proved a first factor. */
  const waiting = ({ session: { pending } }: Request) => {
    const user = pending && users.find(pending.userId);
    if (user === undefined) throw new Refusal(401, "nothing_pending", "Please sign in first.");
    return user;
  };
  const form = (request: Request, problem?: string) =>
    codePage(frameOf(request, users), {
      email: waiting(request).email,
      next: problem === undefined ? localPath(request.query["next"]) : readNext(request),
      problem,
    });

  router.get("/login/code", (request, response) => sendPage(response, form(request)));

  router.post(
    "/login/code",
    async (request: Request, response: Response) => {
      const { session } = request;
      const trusts = readCheckbox(request, "trust");
      await otp.check(session, waiting(request).id, readCode(request, "code"));
      await session.complete({ method: "otp", carry: mergeCarts });
      if (trusts) await session.trust({ for: "30d" });
      done(request, response, { data: describeVisitor(request, users), goTo: readNext(request) });
    },
    showAgain(form),
  );

  return router;
}
