import type { RequestHandler } from "express";
import { requireFresh, requireProofs } from "psession/express";
import { withNext } from "./input.ts";
import type { Parts } from "./parts.ts";
import { signedIn } from "./signed-in.ts";
import { signedInUser } from "./visitor.ts";

/** How long a proof counts for what matters most. */
export const PROOF_LIFE = "10m";

/** For pages that need two factors, or a passkey: both within ten minutes. */
export const twoFactors: RequestHandler[] = [
  signedIn,
  requireProofs("aal2", { within: PROOF_LIFE, redirectTo: (path) => withNext("/prove", path) }),
];

/**
 * For changes to how a user signs in. Where codes are on, such a change needs one: with the password alone nobody may
 * switch them off or add a way around them, not even on a browser that is not asked for codes.
 */
export function strongest({ users, otp }: Parts): RequestHandler[] {
  const fresh = requireFresh({ within: PROOF_LIFE, redirectTo: (path) => withNext("/confirm", path) });
  const both = requireProofs("aal2", {
    within: PROOF_LIFE,
    redirectTo: (path) => withNext("/prove", path),
  });
  const proved: RequestHandler = (request, response, next) =>
    (otp.isOn(signedInUser(request, users).id) ? both : fresh)(request, response, next);
  return [signedIn, proved];
}
