import { type Request, type Response, Router } from "express";
import { done, prefersJson, sendPage } from "../answer.ts";
import { showAgain } from "../errors.ts";
import { readCode } from "../input.ts";
import { newCodesPage, securityPage } from "../pages/security.ts";
import type { Parts } from "../parts.ts";
import { Refusal } from "../refusal.ts";
import { signedIn } from "../signed-in.ts";
import { strongest } from "../strong.ts";
import { frameOf, signedInUser } from "../visitor.ts";

/** Where a secret waits in the session until a code shows that the authenticator app has it. */
const NEW_SECRET = "otpSecret";

/** The account page: how the user has signed in, and the factors that they can sign in with. */
export function securityRoutes(parts: Parts): Router {
  const { users, otp, passkeys, psession, clock } = parts;
  const router = Router();
  const strong = strongest(parts);

  router.get("/account", signedIn, async (request, response) => {
    const user = signedInUser(request, users);
    const { session } = request;
    const { proofs, claims } = session;
    const current = (await session.devices()).find((device) => device.current);
    const trust = { isTrusted: await session.isTrusted(), trustedUntil: current?.trustedUntil };
    const account = { proofs, claims, hasCodes: otp.isOn(user.id), ...trust };
    const own = passkeys.list(user.id);
    if (prefersJson(request)) return response.json({ ...account, passkeys: own.map(({ name }) => name) });
    const trail = await psession.auditTrail({ userId: user.id, limit: 10 });
    // The trail has ids; the page has names.
    const named = trail.map(({ event, at, detail }) => ({
      event,
      at,
      detail: detail?.replace(/^by (\d+)/, (by, id) => users.find(Number(id))?.email ?? by),
    }));
    const model = { ...account, passkeys: own, trail: named, now: clock.now() };
    return sendPage(response, securityPage(frameOf(request, users), model));
  });

  router.use("/account/otp", strong);

  router.post("/account/otp/new", (request, response) => {
    if (otp.isOn(signedInUser(request, users).id)) throw areOn();
    const secret = otp.newSecret();
    request.session.temp.set(NEW_SECRET, secret, "10m");
    done(request, response, { data: { secret }, goTo: "/account/otp" });
  });

  const newSecret = ({ session }: Request): string => {
    const secret = session.temp.get(NEW_SECRET);
    if (typeof secret === "string") return secret;
    throw new Refusal(409, "no_new_secret", "That took too long. Please begin on your account page.");
  };
  const form = (request: Request, problem?: string) => {
    const secret = newSecret(request);
    const address = otp.addressOf(signedInUser(request, users), secret);
    return newCodesPage(frameOf(request, users), { secret, address, problem });
  };

  router.get("/account/otp", (request, response) => sendPage(response, form(request)));

  router.post(
    "/account/otp",
    async (request: Request, response: Response) => {
      const { session } = request;
      const user = signedInUser(request, users);
      if (otp.isOn(user.id)) throw areOn();
      await otp.switchOn(user.id, newSecret(request), readCode(request, "code"));
      session.temp.remove(NEW_SECRET);
      // Whoever signed in elsewhere did it without a code.
      await psession.passwordChanged(user.id, { keep: session, factor: "otp" });
      await session.prove("otp");
      session.set("notice", "Codes are on. All other devices were signed out.");
      done(request, response, { data: { hasCodes: true }, goTo: "/account" });
    },
    showAgain(form),
  );

  router.post("/account/otp/off", async (request, response) => {
    const { session } = request;
    const user = signedInUser(request, users);
    otp.switchOff(user.id);
    await psession.passwordChanged(user.id, { keep: session, factor: "otp" });
    session.set("notice", "Codes are off. All other devices were signed out.");
    done(request, response, { data: { hasCodes: false }, goTo: "/account" });
  });

  return router;
}

const areOn = (): Refusal => new Refusal(409, "codes_are_on", "Codes are on already.");
