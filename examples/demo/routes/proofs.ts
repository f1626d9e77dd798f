import { type Request, type RequestHandler, type Response, Router } from "express";
import { done, prefersJson, sendPage } from "../answer.ts";
import { showAgain } from "../errors.ts";
import { localPath, readCode, readNext, readPassword } from "../input.ts";
import { dataPage, provePage } from "../pages/proofs.ts";
import type { Parts } from "../parts.ts";
import { signedIn } from "../signed-in.ts";
import { PROOF_LIFE, twoFactors } from "../strong.ts";
import { describeVisitor, frameOf, signedInUser } from "../visitor.ts";

/** A page that needs two factors, and the page that asks for whatever of them is missing. */
export function proofRoutes({ users, credentials, otp, passkeys, psession }: Parts): Router {
  const router = Router();

  router.get("/data", twoFactors, async (request: Request, response: Response) => {
    const { id, email } = signedInUser(request, users);
    const devices = (await psession.devices(id)).map(({ label, place, firstSeenAt }) => ({
      label,
      place,
      firstSeenAt,
    }));
    const names = passkeys.list(id).map(({ name }) => name);
    const data = {
      email,
      hasCodes: otp.isOn(id),
      passkeys: names,
      cart: request.session.get("cart") ?? [],
      devices,
    };
    if (prefersJson(request)) response.json(data);
    else sendPage(response, dataPage(frameOf(request, users), data));
  });

  router.use("/prove", signedIn);

  const form = (request: Request, problem?: string) => {
    const { session } = request;
    const isProved = (method: string) => session.isFresh({ within: PROOF_LIFE, method });
    return provePage(frameOf(request, users), {
      next: problem === undefined ? localPath(request.query["next"]) : readNext(request),
      problem,
      asksPassword: !isProved("password"),
      asksCode: otp.isOn(signedInUser(request, users).id) && !isProved("otp"),
      hasCodes: otp.isOn(signedInUser(request, users).id),
      hasPasskeys: passkeys.list(signedInUser(request, users).id).length > 0,
    });
  };

  router.get("/prove", (request, response) => sendPage(response, form(request)));

  /** Checks what was sent, and notes it as proved. */
  const prove = (method: string, check: (request: Request) => Promise<unknown>): RequestHandler => {
    return async (request, response) => {
      await check(request);
      await request.session.prove(method);
      done(request, response, { data: describeVisitor(request, users), goTo: readNext(request) });
    };
  };

  router.post(
    "/prove/password",
    prove("password", (request) =>
      credentials.check(
        request.session,
        signedInUser(request, users).email,
        readPassword(request, "password"),
      ),
    ),
    showAgain(form),
  );

  router.post(
    "/prove/code",
    prove("otp", (request) =>
      otp.check(request.session, signedInUser(request, users).id, readCode(request, "code")),
    ),
    showAgain(form),
  );

  return router;
}
