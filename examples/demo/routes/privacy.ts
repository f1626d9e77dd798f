import { type Request, type Response, Router } from "express";
import { done, sendPage } from "../answer.ts";
import { forgetLastLogin } from "../last-login.ts";
import { deletePage } from "../pages/privacy.ts";
import type { Parts } from "../parts.ts";
import { strongest } from "../strong.ts";
import { frameOf, signedInUser } from "../visitor.ts";
import { onlyTheUser } from "./support.ts";

/** A user's data as a file, and the end of an account. */
export function privacyRoutes(parts: Parts): Router {
  const { users, otp, passkeys, billing, attempts, psession, clock } = parts;
  const router = Router();

  router.use(["/account/export", "/account/delete"], onlyTheUser, strongest(parts));

  router.get("/account/export", async (request, response) => {
    const { id, email } = signedInUser(request, users);
    const keys = passkeys
      .list(id)
      .map(({ name, createdAt, lastUsedAt }) => ({ name, createdAt, lastUsedAt }));
    const { card } = billing.accountOf(id, clock.now());
    psession.audit.add({ event: "dataDownloaded", session: request.session });
    response.attachment("my-data.json").json({
      account: { email, hasCodes: otp.isOn(id), passkeys: keys, card: card.name },
      // Sessions, devices, trust and the trail, without secrets.
      signIns: await psession.exportUser(id),
    });
  });

  router.get("/account/delete", (request, response) => {
    sendPage(response, deletePage(frameOf(request, users)));
  });

  router.post("/account/delete", async (request: Request, response: Response) => {
    const { session } = request;
    const { id, email } = signedInUser(request, users);
    // First: from here on nobody signs in as this user, and what is under way is refused.
    users.remove(id);
    const erased = await psession.eraseUser(id);
    await attempts.reset({ account: email, userId: id });
    await session.logout();
    forgetLastLogin(response);
    session.set("notice", "Your account is deleted, and all that was kept about you.");
    done(request, response, { data: erased, goTo: "/" });
  });

  return router;
}
