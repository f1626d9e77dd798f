import type { Request, Response } from "express";
import { done } from "./answer.ts";
import { mergeCarts } from "./cart.ts";
import { readNext, withNext } from "./input.ts";
import { keepLastLogin } from "./last-login.ts";
import type { Parts } from "./parts.ts";
import type { User } from "./users.ts";
import { describeVisitor } from "./visitor.ts";

export interface FirstFactor {
  readonly user: User;
  /** How the user proved who they are. */
  readonly method: "password" | "link" | "passkey";
  readonly remember: boolean;
  /** When it was proved, if not when the request came. */
  readonly provedAt?: number;
  /** A sentence for the next page. */
  readonly notice?: string;
}

/** Signs in, or asks for a code first where the user has switched that on and does not trust this browser. */
export async function signIn(
  { users, otp }: Parts,
  request: Request,
  response: Response,
  { user, method, remember, provedAt, notice }: FirstFactor,
): Promise<void> {
  const { session } = request;
  keepLastLogin(response, { email: user.email, remember });
  // A passkey asks for a PIN or a finger itself: it is two factors.
  const needsCode = method !== "passkey" && otp.isOn(user.id);
  if (needsCode && !(await session.isTrusted(user.id))) {
    // The carts become one when the code was right: nobody is to see the user's before.
    await session.begin(user.id, { method, remember, provedAt });
    if (notice !== undefined) session.set("notice", notice);
    const data = { pending: { until: session.pending?.until } };
    return done(request, response, { data, goTo: withNext("/login/code", readNext(request)) });
  }
  // A user who is signed in already keeps their data and gets none of another user's: the default of login.
  const carry = session.isSignedIn ? undefined : mergeCarts;
  await session.login(user.id, { method, remember, carry });
  if (notice !== undefined) session.set("notice", notice);
  done(request, response, { data: describeVisitor(request, users), goTo: readNext(request) });
}
