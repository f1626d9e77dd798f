import { type Request, type Response, Router } from "express";
import { requireLogin } from "psession/express";
import { done, sendPage } from "../answer.ts";
import { beginToAdd, beginToProve, finishToAdd, finishToProve } from "../ceremonies.ts";
import { readCheckbox, readNext, readText } from "../input.ts";
import { newPasskeyPage } from "../pages/passkeys.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";
import { signIn } from "../sign-in.ts";
import { strongest } from "../strong.ts";
import { describeVisitor, frameOf, signedInUser } from "../visitor.ts";

const NAME_LENGTH = { min: 1, max: 50 };

/** Passkeys: made and removed on the account page, to sign in with, and to prove again who one is. */
export function passkeyRoutes(parts: Parts): Router {
  const { users, passkeys, psession, clock } = parts;
  const router = Router();

  router.use("/account/passkeys", strongest(parts));

  router.get("/account/passkeys/new", (request, response) => {
    sendPage(response, newPasskeyPage(frameOf(request, users)));
  });

  router.post("/account/passkeys/options", async (request, response) => {
    const user = signedInUser(request, users);
    response.json(await beginToAdd(request, user, passkeys.list(user.id)));
  });

  router.post("/account/passkeys", async (request: Request, response: Response) => {
    const { session } = request;
    const { id: userId } = signedInUser(request, users);
    const name = readText(request, "name", NAME_LENGTH).trim();
    if (name === "") throw new Refusal(400, "invalid_input", "Please give the passkey a name.");
    const credential = await finishToAdd(request);
    const isNew = passkeys.add({ userId, name, createdAt: clock.now(), credential });
    if (!isNew) throw new Refusal(409, "passkey_known", "That passkey is in use already.");
    // Whoever makes one has it, and was asked for its PIN or finger.
    await session.prove("passkey");
    session.set("notice", `The passkey “${name}” signs you in from now on.`);
    done(request, response, { data: { id: credential.id, name }, goTo: "/account" });
  });

  router.post("/account/passkeys/:id/remove", async (request, response) => {
    const { session } = request;
    const { id: userId } = signedInUser(request, users);
    if (!passkeys.remove(userId, request.params.id)) {
      throw new Refusal(404, "not_found", "You have no such passkey.");
    }
    // It may be in other hands, and so may be what was signed in with it.
    await psession.passwordChanged(userId, { keep: session, factor: "passkey" });
    session.set("notice", "The passkey was removed. All other devices were signed out.");
    done(request, response, { data: { removed: 1 }, goTo: "/account" });
  });

  router.post("/login/passkey/options", async (request, response) => {
    response.json(await beginToProve(request, "signInByPasskey"));
  });

  router.post("/login/passkey", async (request: Request, response: Response) => {
    const remember = readCheckbox(request, "remember");
    const userId = await finishToProve(request, "signInByPasskey", { passkeys, now: clock.now() });
    const user = users.find(userId);
    if (user === undefined) throw new Refusal(401, "unknown_passkey", "That account is gone.");
    await signIn(parts, request, response, { user, method: "passkey", remember });
  });

  router.use("/prove/passkey", requireLogin());

  router.post("/prove/passkey/options", async (request, response) => {
    const own = passkeys.list(signedInUser(request, users).id);
    if (own.length === 0) throw new Refusal(409, "no_passkeys", "You have no passkey yet.");
    response.json(await beginToProve(request, "proveByPasskey", own));
  });

  router.post("/prove/passkey", async (request, response) => {
    const userId = await finishToProve(request, "proveByPasskey", { passkeys, now: clock.now() });
    if (userId !== signedInUser(request, users).id) {
      throw new Refusal(401, "unknown_passkey", "That passkey belongs to somebody else.");
    }
    await request.session.prove("passkey");
    done(request, response, { data: describeVisitor(request, users), goTo: readNext(request) });
  });

  return router;
}
