import type { SessionData as CoreData } from "../../data/typing.ts";
import { ofGuards, type SessionOfGuards } from "../../integration/guards.ts";
import type { Session as CoreSession } from "../../session.ts";
import { type OpenSession, openSessionOf } from "./open-session.ts";
import { Session } from "./session.ts";

const METHODS = [
  "login",
  "begin",
  "complete",
  "logout",
  "reauthenticate",
  "prove",
  "renew",
  "update",
  "exclusive",
  "isFresh",
  "isKeyProved",
  "isAlive",
  "onEnd",
  "endsAt",
  "extend",
  "bePassive",
  "trust",
  "distrust",
  "isTrusted",
  "devices",
  "nameDevice",
  "revoke",
  "revokeOthers",
] as const;
const VALUES = [
  "userId",
  "level",
  "isSignedIn",
  "isPersistent",
  "isNew",
  "authenticatedAt",
  "keyProvedAt",
  "proofs",
  "claims",
  "pending",
  "handle",
  "outcome",
  "endedBecause",
] as const;

/** `req.session` also has these with a psession store: see psession's own `Session`. */
export type SignIn = Pick<CoreSession<CoreData>, (typeof METHODS)[number] | (typeof VALUES)[number]>;

/**
 * A session with psession's sign-in. Data may use the same names: `req.session.userId = 7` is data, as in
 * express-session, and hides the property here.
 */
export class SignInSession extends Session {
  get [ofGuards](): SessionOfGuards | undefined {
    const open = openSessionOf(this.req);
    if (open?.core === undefined) return undefined;
    const { core } = open;
    const { isSignedIn, level, proofs, pending, actor, endedBecause, keyProvedAt } = core;
    return {
      isSignedIn,
      level,
      proofs,
      pending,
      actor,
      endedBecause,
      keyProvedAt,
      isKeyProved: (within) => core.isKeyProved(within),
      askForKeyProof: () => core.askForKeyProof(),
      isFresh: (freshness) => core.isFresh(freshness),
      noteGuard: () => core.noteGuard(),
      // Brings changes that other requests saved meanwhile into `req.session`.
      exclusive: async (options) => {
        await open.call?.("exclusive", [options]);
      },
    };
  }
}

for (const name of METHODS) {
  Object.defineProperty(SignInSession.prototype, name, {
    configurable: true,
    writable: true,
    value: function (this: Session, ...values: unknown[]) {
      return (openSessionOf(this.req) as Required<OpenSession>).call(name, values);
    },
  });
}

for (const name of VALUES) {
  Object.defineProperty(SignInSession.prototype, name, {
    configurable: true,
    get(this: Session) {
      return openSessionOf(this.req)?.core?.[name];
    },
    set(this: Session, value: unknown) {
      Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
    },
  });
}
