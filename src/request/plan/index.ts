import { ofKey, unprovedIn } from "../bound.ts";
import { beginsAnew, isSignIn, type RequestState, raiseOf } from "../state.ts";
import { assertDeliverable, event, type Plan, unavailable } from "./parts.ts";
import { planRemembered } from "./remembered.ts";
import { planRenewal } from "./renew.ts";
import { planCreate, planDetached, planSave } from "./save.ts";
import { planBegin, planLogin, planLogout } from "./sign.ts";

/**
 * Decides the effects of a commit. Asks nothing and changes nothing; only secrets and ids are drawn here.
 * Unless it is the final one, no secret is exchanged but by a sign-in.
 */
export function planCommit(state: RequestState, now: number, isFinal: boolean): Plan {
  const { intent } = state;
  if (isSignIn(intent)) {
    assertDeliverable(state, "sign in");
    // The session that this sign-in would have to end was not read.
    const { standing } = state;
    if (standing.kind === "detached" && standing.why === "unavailable") throw unavailable(standing.error);
  }
  if (intent.kind === "login") return planLogin(state, intent, now);
  if (intent.kind === "begin") return planBegin(state, intent, now);
  if (intent.kind === "logout") return planLogout(state, now);
  if (intent.kind === "renew" && isFinal) return planRenewal(state, intent, now);
  if (raiseOf(intent) !== undefined) assertDeliverable(state, "raise the level");
  if (beginsAnew(intent)) return planAnew(state, now);
  const plan = planKeep(state, now, isFinal);
  return isFinal || intent.kind === "keep" ? plan : { ...plan, isIntentPending: true };
}

/** Stored under the old secret, even until the response, an attacker who planted that could read it (CWE-384). */
function planAnew(state: RequestState, now: number): Plan {
  if (state.data.changed() !== undefined) assertDeliverable(state, "begin a session anew");
  // The holder of this row's newer secret may be the attacker who planted the older one.
  if (state.standing.kind === "previous") return planCreate(state, now, state.data.encoded());
  return planKeep(state, now, true);
}

/** A long cookie that came without its proof is reported: its browser has lost the key, could not refresh, or is a thief's. */
function planKeep(state: RequestState, now: number, isFinal: boolean): Plan {
  const plan = planOnStanding(state, now, isFinal);
  const { outcome, isAboutKey } = state;
  if (!isFinal || outcome !== "unproved" || isAboutKey) return plan;
  const refused = event("boundRefused", { ...ofKey(state, unprovedIn(state)), why: "unproved" });
  return { ...plan, events: [...plan.events, refused] };
}

function planOnStanding(state: RequestState, now: number, isFinal: boolean): Plan {
  const { standing } = state;
  switch (standing.kind) {
    case "none":
      return planCreate(state, now);
    case "detached":
      return planDetached(state, standing, now);
    case "live":
    case "previous":
      return planSave(state, standing, now, isFinal);
    case "remembered":
      return planRemembered(state, standing, now, isFinal);
  }
}
