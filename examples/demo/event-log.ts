import type { EventName, Psession, PsessionEvent, UserId } from "psession";

export interface LoggedEvent {
  /** Counts up, so that a page knows what it has shown already. */
  readonly id: number;
  /** "pageHeard" is the demo's own. */
  readonly type: EventName | "pageHeard";
  readonly at: number;
  readonly text: string;
}

const MOST_EVENTS = 200;

/** The latest events of psession as sentences, the newest first. */
export class EventLog {
  #events: LoggedEvent[] = [];
  #lastId = 0;

  constructor(psession: Psession) {
    psession.on("*", (event) => this.#add(event.type, event.at, describe(event)));
  }

  /** A page that this user has open heard that its session has ended, or has another secret. */
  addHeard(userId: UserId | undefined, at: number): void {
    this.#add("pageHeard", at, `A page that ${who(userId)} has open heard of it, and asks who is signed in.`);
  }

  latest(): readonly LoggedEvent[] {
    return this.#events;
  }

  #add(type: LoggedEvent["type"], at: number, text: string): void {
    this.#lastId += 1;
    const entry = { id: this.#lastId, type, at, text };
    this.#events = [entry, ...this.#events].slice(0, MOST_EVENTS);
  }
}

function describe(event: PsessionEvent): string {
  switch (event.type) {
    case "created":
      return `A new session was stored for ${who(event.userId)}.`;
    case "login":
      return `${Who(event.userId)} signed in${by(event.methods)}${event.remembered ? " and is remembered" : ""}.`;
    case "signInBegun":
      return `${Who(event.userId)} proved a first factor; nobody is signed in yet.`;
    case "trusted":
      return `${Who(event.userId)} trusts this browser: no code is asked for on it for a while.`;
    case "newDevice":
      return `${Who(event.userId)} never signed in on this browser before.`;
    case "signInFailed":
      return `A wrong ${event.what} for ${account(event.userId)}${event.known ? ", on a browser known for that user" : ""}.`;
    case "signInThrottled":
      return `A sign-in to ${account(event.userId)} was not looked at, as too many had failed. The next may come in ${event.retryAfter} seconds.`;
    case "reauthenticated":
      return `${Who(event.userId)} proved again that it is them${by(event.methods)}: level ${event.level}.`;
    case "impersonationBegan":
      return `${Who(event.actorId)} acts as ${who(event.userId)}: ${event.reason}.`;
    case "impersonationEnded":
      return `${Who(event.actorId)} no longer acts as ${who(event.userId)}.`;
    case "bound":
      return `The browser of ${who(event.userId)} registered a key (${event.algorithm}): its cookies are worth nothing without that.`;
    case "boundRefreshed":
      return `The browser of ${who(event.userId)} proved its key.`;
    case "boundRefused":
      return event.why === "unproved"
        ? `A bound cookie of ${who(event.userId)} came without a proof of its key, and opened nothing.`
        : `A key or a proof was refused (${event.why}).`;
    case "boundSkipped":
      return `The browser of ${who(event.userId)} could not prove its key: ${event.reason}.`;
    case "logout":
      return `${Who(event.userId)} signed out.`;
    case "restored":
      return `The remember cookie brought ${who(event.userId)} back; the browser got cookie number ${event.generation}.`;
    case "recovered":
      return `${Who(event.userId)} came with the previous remember cookie, as if the last answer was lost; it got number ${event.generation}.`;
    case "converged":
      return `A parallel request of ${who(event.userId)} got the same new cookies.`;
    case "accepted":
      return `A request of ${who(event.userId)} was served; its cookies stay as they are.`;
    case "rotationDeferred":
      return `${Who(event.userId)} gets a new secret with a later answer (${event.what}).`;
    case "stray":
      return `A request of ${who(event.userId)} came late with remember cookie number ${event.presentedGeneration}: it got nothing, and nothing ended.`;
    case "forked":
      return `The store was split: the remembered login of ${who(event.userId)} was ended.`;
    case "logoutUnmatched":
      return "Somebody signed out with a cookie that was replaced: the cookies are gone, and no session ended.";
    case "theft":
      return `Theft: somebody used the old remember cookie number ${event.presentedGeneration} of ${who(event.userId)}, whose browser has number ${event.generation}. Ended: ${event.endedLogins}.`;
    case "moved":
      return `The session of ${who(event.userId)} was used from another ${event.what === "address" ? "address" : "browser"}.`;
    case "rotated":
      return `The session of ${who(event.userId)} got a new secret.`;
    case "confirmed":
      return `The browser of ${who(event.userId)} surely has its latest remember cookie: older ones now count as stolen.`;
    case "revoked":
      return `A device of ${who(event.userId)} was signed out (${event.reason.replaceAll("_", " ")}).`;
    case "credentialChanged":
      return `${Who(event.userId)} changed the ${event.factor}: ${event.ended} other devices were signed out.`;
    case "auditLost":
      return `The audit trail lost ${event.count} entries.`;
    case "revokedEveryone":
      return `Everybody was signed out: ${event.count} devices.`;
    case "userErased":
      return `Everything about a user was deleted: ${event.sessions} sessions and ${event.logins} remembered logins.`;
    case "expired":
      return `${Who(event.userId)} came with a cookie past its time.`;
    case "pruned":
      return `Tidied up: ${event.sessions} sessions and ${event.logins} remembered logins were deleted.`;
    case "mergeRetried":
      return `Two requests of ${who(event.userId)} saved at once: the changes were merged.`;
    case "mergeConflict":
      return `Two requests of ${who(event.userId)} changed ${event.keys.join(", ")} at once: the later save won.`;
    case "saveDiscarded":
      return `A change of ${who(event.userId)} was dropped, as its session was ${event.why.replaceAll("_", " ")}.`;
    case "clockSkew":
      return "A row was written by a clock that is ahead of this one.";
    case "clockDiffers":
      return `This process's clock and the store's differ by ${Math.abs(event.at - event.storeTime) / 1000} seconds: nothing is pruned.`;
    case "generationAhead":
      return `${Who(event.userId)} has remember cookie number ${event.presentedGeneration}, but the store knows ${event.generation} only.`;
    case "duplicateCookies":
      return `Several cookies named ${event.name} came along: none counted.`;
    case "unknownKeyCookies":
      return `${event.count} cookies came that look right and fit no key.`;
    case "insecureTransport":
      return "A request came over plain http and got no session.";
    case "previousUnreadable":
      return `What ${who(event.userId)} had elsewhere could not be read: signed in without it.`;
    case "storeUnavailable":
      return "The store did not answer.";
  }
}

const by = (methods: readonly string[]): string =>
  methods.length === 0 ? "" : ` by ${methods.join(" and ")}`;

const who = (userId: UserId | undefined): string =>
  userId === undefined ? "an anonymous visitor" : `user ${userId}`;

const account = (userId: UserId | undefined): string =>
  userId === undefined ? "an account that does not exist" : `the account of user ${userId}`;

function Who(userId: UserId | undefined): string {
  const text = who(userId);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
