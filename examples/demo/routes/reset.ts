import { type Request, type Response, Router } from "express";
import { done, sendPage } from "../answer.ts";
import { showAgain } from "../errors.ts";
import { readEmail, readNewPassword, readText } from "../input.ts";
import { newPasswordPage, resetPage } from "../pages/reset.ts";
import type { Parts } from "../parts.ts";
import { hashPassword } from "../passwords.ts";
import { Refusal } from "../refusal.ts";
import { signIn } from "../sign-in.ts";
import { addressOf } from "../site.ts";
import { frameOf } from "../visitor.ts";

const TOKEN_LENGTH = { min: 1, max: 100 };

/** A forgotten password: a link that is sent sets a new one, once. */
export function resetRoutes(parts: Parts): Router {
  const { users, resets, outbox, psession, clock, attempts } = parts;
  const router = Router();

  const ask = (request: Request, problem?: string) => resetPage(frameOf(request, users), { problem });

  router.get("/reset", (request, response) => sendPage(response, ask(request)));

  router.post(
    "/reset",
    (request: Request, response: Response) => {
      const email = readEmail(request);
      const user = users.findByEmail(email);
      const token = user && resets.begin(user.id);
      if (user !== undefined && token !== undefined) {
        const link = `${addressOf(request)}/reset/new?token=${token}`;
        const text = "This link sets a new password. It works once, for 15 minutes.";
        outbox.send({ to: user.email, at: clock.now(), text, link });
      }
      // The same for everybody: nobody learns here who has an account.
      const message = `If ${email} has an account, a link is on its way to it.`;
      request.session.set("notice", message);
      done(request, response, { data: { message }, goTo: "/reset" });
    },
    showAgain(ask),
  );

  const form = (request: Request, token: string, problem?: string) => {
    const userId = resets.find(token);
    const user = userId === undefined ? undefined : users.find(userId);
    if (user === undefined) throw unusable();
    return newPasswordPage(frameOf(request, users), { email: user.email, token, problem });
  };

  router.get(
    "/reset/new",
    (request: Request, response: Response) => {
      const { token } = request.query;
      sendPage(response, form(request, typeof token === "string" ? token : ""));
    },
    showAgain(ask),
  );

  router.post(
    "/reset/new",
    async (request: Request, response: Response) => {
      const token = readText(request, "token", TOKEN_LENGTH);
      // A password that is refused leaves the link as it is.
      const password = readNewPassword(request, "password");
      const hash = await hashPassword(password);
      const userId = resets.take(token);
      const user = userId === undefined ? undefined : users.find(userId);
      if (user === undefined) throw unusable();
      users.setPassword(user.id, hash);
      // Guesses at the old password keep nobody waiting who has a new one.
      await attempts.reset({ account: user.email, userId: user.id });
      // No device is kept: whoever knew the old password may be signed in on any.
      await psession.passwordChanged(user.id);
      // Whatever was proved up to the change no longer counts, and a second step comes with a request of its own.
      const provedAt = clock.now() + 1;
      const notice = "Your password was changed, and everything else was signed out.";
      await signIn(parts, request, response, { user, method: "link", remember: false, provedAt, notice });
    },
    showAgain((request, problem) => {
      const token = readText(request, "token", TOKEN_LENGTH);
      // Where the link itself is the problem, there is the form for another one.
      return resets.find(token) === undefined ? ask(request, problem) : form(request, token, problem);
    }),
  );

  return router;
}

const unusable = (): Refusal =>
  new Refusal(410, "link_unusable", "This link was used already, or is too old. Please ask for another one.");
