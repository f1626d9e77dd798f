import { type Request, type RequestHandler, type Response, Router } from "express";
import { endedText } from "psession/notices";
import { done, prefersJson, sendPage } from "../answer.ts";
import { showAgain } from "../errors.ts";
import { localPath, readCheckbox, readEmail, readNewPassword, readNext, readPassword } from "../input.ts";
import { readLastLogin } from "../last-login.ts";
import {
  AS_ANOTHER,
  loginPage,
  registerPage,
  type SignInForm,
  type SignInModel,
  signedInPage,
} from "../pages/account.ts";
import type { Parts } from "../parts.ts";
import { hashPassword } from "../passwords.ts";
import { Refusal } from "../refusal.ts";
import { signIn } from "../sign-in.ts";
import { describeVisitor, frameOf, userOf } from "../visitor.ts";

/** Register, sign in, sign out. */
export function accountRoutes(parts: Parts): Router {
  const { users, credentials, clock } = parts;
  const router = Router();

  const register = (request: Request, problem?: string) =>
    registerPage(frameOf(request, users), formModel(request, problem));
  const login = (request: Request, problem?: string) =>
    loginPage(frameOf(request, users), formModel(request, problem));

  /** The form; for a user who is signed in, first a page that says so. */
  const open = (form: SignInForm, page: typeof login): RequestHandler => {
    return (request, response) => {
      const isKnown = userOf(request, users) !== undefined && !Object.hasOwn(request.query, AS_ANOTHER);
      const next = localPath(request.query["next"]);
      const shown = isKnown ? signedInPage(frameOf(request, users), { form, next }) : page(request);
      sendPage(response, shown);
    };
  };

  router.get("/register", open("/register", register));

  router.post(
    "/register",
    async (request: Request, response: Response) => {
      const email = readEmail(request);
      const password = readNewPassword(request, "password");
      const remember = readCheckbox(request, "remember");
      const user = users.create(email, await hashPassword(password), clock.now());
      if (user === undefined)
        throw new Refusal(409, "email_taken", "There is an account with this email already.");
      if (prefersJson(request)) response.status(201);
      await signIn(parts, request, response, { user, method: "password", remember });
    },
    showAgain(register),
  );

  router.get("/login", open("/login", login));

  router.post(
    "/login",
    async (request: Request, response: Response) => {
      const email = readEmail(request);
      const password = readPassword(request, "password");
      const remember = readCheckbox(request, "remember");
      const user = await credentials.check(request.session, email, password);
      await signIn(parts, request, response, { user, method: "password", remember });
    },
    showAgain(login),
  );

  router.post("/logout", async (request: Request, response: Response) => {
    await request.session.logout();
    done(request, response, { data: describeVisitor(request, users), goTo: "/" });
  });

  return router;
}

/**
 * Why the visitor was signed out: by the address that a guard has led to, as cookies that have ended are cleared there; or
 * by the cookies. Only the sentence is shown, so whatever else an address may say is not.
 */
function endedOf({ session, query }: Request): string | undefined {
  return session.isSignedIn ? undefined : endedText(query["ended"] ?? session.endedBecause?.code);
}

/** The input just sent, or else the values that the browser kept of the last login. Never a password. */
function formModel(request: Request, problem: string | undefined): SignInModel {
  if (problem === undefined) {
    const last = readLastLogin(request);
    // Another user wants to sign in.
    const email = request.session.isSignedIn ? "" : last.email;
    const isLate = Object.hasOwn(request.query, "late") && !request.session.isSignedIn;
    return { ...last, email, next: localPath(request.query["next"]), isLate, ended: endedOf(request) };
  }
  const { email, remember } = (request.body ?? {}) as Record<string, unknown>;
  return {
    email: typeof email === "string" ? email : "",
    remember: remember === "on",
    next: readNext(request),
    problem,
  };
}
