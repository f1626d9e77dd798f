import { Router } from "express";
import { byAddress, byEmail, emailOf, isEmail, isLongEnough, limited, TOO_SHORT, textOf } from "./input.js";
import { linkMail } from "./mails.js";
import { askForLinkPage, choosePasswordPage, linkSentPage, problemPage } from "./pages.js";
import { hashPassword } from "./passwords.js";

export function byMailRoutes({ psession, users, origin, sendMail, now }) {
  const routes = new Router();

  for (const [path, title] of [
    ["/register", "Register"],
    ["/forgot", "Choose a new password"],
  ])
    routes.get(path, (_request, response) => response.send(askForLinkPage({ title })));

  async function mailLink(email) {
    const link = `${origin}/choose-password?token=${users.newLink(email, now())}`;
    await sendMail({ to: email, ...linkMail(link, users.byEmail(email)) });
  }

  routes.post("/link", limited(20, byAddress), limited(3, byEmail), ({ body }, response) => {
    const email = emailOf(body);
    if (!isEmail(email)) return response.status(400).send(problemPage(400));
    response.send(linkSentPage());
    // The response does not wait for it: the duration would show whether there is an account.
    mailLink(email).catch((error) => console.error("A link could not be mailed:", error));
  });

  routes.use("/choose-password", (_request, response, next) => {
    // The page and its address contain the token: keep them from caches, and from sites that a link leads to.
    response.set({ "Cache-Control": "no-store", "Referrer-Policy": "strict-origin" });
    next();
  });

  routes.get("/choose-password", ({ query }, response) => {
    const token = textOf(query.token);
    if (!users.isLink(token, now())) return response.status(400).send(problemPage(400));
    response.send(choosePasswordPage({ token }));
  });

  routes.post("/choose-password", async ({ body, session }, response) => {
    const token = textOf(body?.token);
    const password = textOf(body?.password);
    if (!isLongEnough(password))
      return response.status(400).send(choosePasswordPage({ token, problem: TOO_SHORT }));
    if (!users.isLink(token, now())) return response.status(400).send(problemPage(400));
    const hash = await hashPassword(password);
    const link = users.takeLink(token, now());
    if (link === undefined) return response.status(400).send(problemPage(400));
    try {
      const isKnown = users.byEmail(link.email) !== undefined;
      const user = users.setPassword(link.email, hash, now());
      if (isKnown) await psession.passwordChanged(user.id);
      await session.login(user.id);
      // Now, so that a failure of the store does not use up the link.
      await session.save();
      users.dropLinks(link.email);
    } catch (error) {
      users.putBack(link);
      throw error;
    }
    response.redirect(303, "/");
  });

  return routes;
}
