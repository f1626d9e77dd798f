import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type WebAuthnCredential,
} from "@simplewebauthn/server";
import type { Request } from "express";
import type { Passkey, Passkeys } from "./passkeys.ts";
import { Refusal } from "./refusal.ts";
import { addressOf, HOST } from "./site.ts";
import type { User } from "./users.ts";

/** The name of the site that passkeys belong to. A real app has its domain here. */
const SITE_NAME = "psession demo";
const CHALLENGE_LIFE = "5m";

/** What a challenge is for: one for one of these is none for another. */
type Purpose = "addPasskey" | "signInByPasskey" | "proveByPasskey";

/** Begins to make a passkey: gives what the browser is to sign, and keeps the challenge in the session. */
export async function beginToAdd(request: Request, user: User, passkeys: readonly Passkey[]) {
  const options = await generateRegistrationOptions({
    rpName: SITE_NAME,
    rpID: HOST,
    userID: new TextEncoder().encode(`user ${user.id}`),
    userName: user.email,
    excludeCredentials: passkeys.map(({ credential: { id, transports = [] } }) => ({ id, transports })),
    // Kept by the authenticator, so that it signs in without a name; and never without a PIN or a finger.
    authenticatorSelection: { residentKey: "required", userVerification: "required" },
  });
  request.session.temp.set("addPasskey" satisfies Purpose, options.challenge, CHALLENGE_LIFE);
  return options;
}

/** The new passkey. Throws a Refusal for anything else than an answer to the challenge. */
export async function finishToAdd(request: Request): Promise<WebAuthnCredential> {
  const expectedChallenge = await takeChallenge(request, "addPasskey");
  const response = answerOf(request) as unknown as RegistrationResponseJSON;
  const result = await checked(() =>
    verifyRegistrationResponse({ response, expectedChallenge, ...site(request) }),
  );
  if (!result.verified) throw notAccepted();
  return result.registrationInfo.credential;
}

/** Begins a proof by a passkey: by any that the authenticator has for this site, or by one of these. */
export async function beginToProve(request: Request, purpose: Purpose, passkeys?: readonly Passkey[]) {
  const options = await generateAuthenticationOptions({
    rpID: HOST,
    userVerification: "required",
    ...(passkeys && {
      allowCredentials: passkeys.map(({ credential: { id, transports = [] } }) => ({ id, transports })),
    }),
  });
  request.session.temp.set(purpose, options.challenge, CHALLENGE_LIFE);
  return options;
}

/** The id of the user whose passkey it was. Throws a Refusal for anything else than an answer to the challenge. */
export async function finishToProve(
  request: Request,
  purpose: Purpose,
  { passkeys, now }: { passkeys: Passkeys; now: number },
): Promise<number> {
  const expectedChallenge = await takeChallenge(request, purpose);
  const answer = answerOf(request);
  const passkey = passkeys.find(String(answer["id"]));
  if (passkey === undefined) {
    throw new Refusal(401, "unknown_passkey", "That passkey belongs to no account here. Was it removed?");
  }
  const { credential, userId } = passkey;
  const response = answer as unknown as AuthenticationResponseJSON;
  const { verified, authenticationInfo } = await checked(() =>
    verifyAuthenticationResponse({ response, expectedChallenge, credential, ...site(request) }),
  );
  if (!verified) throw notAccepted();
  passkeys.noteUse(credential.id, authenticationInfo.newCounter, now);
  return userId;
}

/** Counts once: of two requests at once the second one waits, and finds it gone. */
async function takeChallenge({ session }: Request, purpose: Purpose): Promise<string> {
  await session.exclusive();
  const challenge = session.temp.get(purpose);
  session.temp.remove(purpose);
  if (typeof challenge === "string") return challenge;
  throw new Refusal(409, "no_challenge", "That took too long, or was done already. Please try again.");
}

function answerOf(request: Request): Record<string, unknown> {
  const { response } = (request.body ?? {}) as Record<string, unknown>;
  if (typeof response === "object" && response !== null) return response as Record<string, unknown>;
  throw new Refusal(
    400,
    "invalid_input",
    'The field "response" must be what the browser made of the passkey.',
  );
}

const site = (request: Request) => ({ expectedOrigin: addressOf(request), expectedRPID: HOST });

/** The library throws for whatever is wrong with an answer. */
async function checked<T>(check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch {
    throw notAccepted();
  }
}

const notAccepted = (): Refusal =>
  new Refusal(401, "passkey_not_accepted", "That passkey was not accepted. Please try again.");
