import * as proofs from "../../src/http/key-proofs.ts";
import { keyEndpoints } from "../../src/integration/key-endpoints.ts";
import { type BindResult, refresh, register } from "../../src/request/bind.ts";
import { registrationOf } from "../../src/request/bound.ts";
import { Session } from "../../src/session.ts";
import { KeyHolder } from "../../src/testing/http/key-holder.ts";
import type { TestApp, TestBrowser, TestSession } from "./app.ts";

/** Registers a key for the session that this browser has just signed in to, as browsers do by themselves. */
export async function bindKey(browser: TestBrowser, session: TestSession): Promise<KeyHolder> {
  const keys = new KeyHolder();
  const challenge = registrationOf(Session.stateOf(session))?.challenge;
  if (challenge === undefined) throw new Error("the answer asks for no key");
  const proof = keys.proof(challenge, {}, true);
  const { result } = await browser.visit((visit) => register(Session.stateOf(visit), proof, proofs));
  if (result.kind !== "bound") throw new Error(`the registration was answered with ${result.kind}`);
  // What the browser has from now on is known once it comes with that.
  await browser.visit();
  return keys;
}

/** Proves the key, or another one, for a new short cookie. */
export async function proveKey(browser: TestBrowser, keys: KeyHolder): Promise<BindResult> {
  const send = async (id?: string, proof?: string) =>
    (await browser.visit((visit) => refresh(Session.stateOf(visit), id, proof, proofs))).result;
  const asked = await send();
  return asked.kind === "challenged" ? send(asked.id, keys.proof(asked.challenge, {}, false)) : asked;
}

/** A browser that has a key sends a request without its proof, and says why. */
export function skipProof({ psession }: TestApp, reason: string): void {
  const headers: Record<string, string> = { cookie: "a=b", "secure-session-skipped": reason };
  keyEndpoints(psession)({
    method: "GET",
    path: () => "/",
    header: (name) => headers[name],
    origin: () => "https://shop.example",
    session: () => Promise.reject(new Error("nobody needs it for this")),
  });
}

export { KeyHolder };
