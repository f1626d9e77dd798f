import { Router, urlencoded } from "express";
import { AuthorizationResponseError, ResponseBodyError } from "openid-client";
import { sameSiteHop } from "psession";
import { takeAttempt } from "./attempts.js";
import { paramsOf } from "./input.js";
import { problemPage } from "./pages.js";
import { STRONG_METHOD, TWO_FACTORS } from "./sign-in.js";

/** How much the provider's clock may be behind ours; its times are in whole seconds besides. */
const SKEW = 60_000;

/**
 * With response_mode=form_post the provider's page posts the answer from another site, without Lax cookies. A page of ours
 * posts the same fields again, with them. Stands before originCheck and the sessions, and looks at no session.
 */
export function postedCallback() {
  const routes = new Router();
  routes.post("/openid/callback", urlencoded({ extended: false, limit: "20kb" }), ({ body }, response) => {
    const hop = sameSiteHop({ action: "/openid/posted", fields: body ?? {} });
    response.status(hop.status).set(hop.headers).send(hop.body);
  });
  return routes;
}

export function callbackRoutes({ users, provider, providerSessions, notify, now }) {
  const routes = new Router();

  routes.get("/openid/callback", ({ originalUrl, session }, response) =>
    finish(session, new URL(originalUrl, "http://this").searchParams, response),
  );
  routes.post("/openid/posted", ({ body, session }, response) => finish(session, paramsOf(body), response));

  async function finish(session, answer, response) {
    const state = answer.get("state");
    const attempt = await takeAttempt(session, state);
    if (attempt === undefined) return refuse(response, session.isSignedIn ? "already" : "not_begun");
    let identity;
    try {
      identity = await provider.finish(answer, state, attempt.expected);
      const isNew = attempt.purpose === "sign-in" && users.byIdentity(identity) === undefined;
      if (isNew) identity.email = await provider.verifiedEmail(identity);
    } catch (error) {
      return refuse(response, reasonOf(error), attempt);
    }
    const problem = await outcomes[attempt.purpose](session, identity, attempt);
    if (problem !== undefined) return refuse(response, problem, attempt);
    response.redirect(303, attempt.next);
  }

  /** What comes of an attempt: undefined, or what is in its way. */
  const outcomes = {
    async "sign-in"(session, identity, { at, remember }) {
      const user = users.byIdentity(identity) ?? users.addFromProvider(identity);
      if (user === undefined) return "address_taken";
      const options = {
        method: methodOf(identity),
        remember,
        // A sign-in that began before the user was unlinked or revoked comes too late.
        provedAt: at,
        // The user may have signed in at the provider hours ago.
        authenticatedAt: identity.authenticatedAt,
      };
      if (!(await providerSessions.signIn(session, user.id, options, identity))) return "signed_out_there";
    },

    async confirm(session, identity, { at, userId, strong }) {
      if (session.userId !== userId || users.byIdentity(identity)?.id !== userId) return "other_account";
      // What was asked for went through the browser, where anybody can change it: only the answer counts.
      if (identity.authenticatedAt < at - SKEW) return "not_asked_again";
      if (strong && identity.acr !== TWO_FACTORS) return "one_factor";
      const { handle } = session;
      if (providerSessions.of(handle) && !providerSessions.note(handle, userId, identity)) {
        await session.logout();
        return "signed_out_there";
      }
      await session.prove(methodOf(identity), { provedAt: Math.min(identity.authenticatedAt, now()) });
    },

    async link(session, identity, { userId }) {
      // Confirmed before the trip, and not a session that was restored meanwhile.
      if (session.userId !== userId || !session.isFresh({ within: "20m" })) return "not_begun";
      if (!users.link(userId, identity)) return "linked_elsewhere";
      await notify(
        users.byId(userId),
        "You can now sign in with Example ID. If that was not you, please contact us.",
      );
    },
  };

  return routes;
}

const methodOf = ({ acr }) => (acr === TWO_FACTORS ? STRONG_METHOD : "openid");

/** Nothing of the provider's texts is shown or logged: any site can send a visitor here with texts of its own. */
function reasonOf(error) {
  if (error instanceof AuthorizationResponseError)
    return error.error === "access_denied" ? "denied" : "failed";
  if (error instanceof ResponseBodyError && error.error === "invalid_grant") return "too_late";
  console.warn("The provider's answer could not be used:", error.code ?? error.name);
  return "failed";
}

/** Nobody was signed in or out, and the session keeps what it has. */
function refuse(response, problem, attempt) {
  const status = problem === "failed" ? 502 : problem === "address_taken" ? 409 : 403;
  response.status(status).send(problemPage(problem, attempt));
}
