import type { Flash } from "../data/flash.ts";
import type { Snapshot, TrackedData } from "../data/tracked-data.ts";
import type { Events } from "../events.ts";
import type {
  CookieInstruction,
  Presented,
  PresentedRemember,
  PresentedSession,
  SessionCookie,
} from "../http/cookies.ts";
import type { Caching } from "../http/settlement.ts";
import type { UnknownKeys } from "../http/unknown-keys.ts";
import type { Settings } from "../options/settings.ts";
import type { Bound } from "../protocol/bound.ts";
import type { EndedBecause } from "../protocol/ended.ts";
import type { Outcome } from "../protocol/outcome.ts";
import { type Pending, pendingOf } from "../protocol/pending.ts";
import { readProofs, writeProofs } from "../protocol/proofs.ts";
import { isSession, type SessionLevel } from "../protocol/rows.ts";
import type { Digest } from "../protocol/secrets.ts";
import type { RememberedRow, SessionRow, UserId } from "../stores/store.ts";
import type { ClockWatch } from "../upkeep/clock-watch.ts";
import type { Endings } from "../upkeep/endings.ts";
import type { HeldLock, Locks } from "../upkeep/locks.ts";
import type { RequestFacts } from "./facts.ts";
import type { Lives } from "./rows.ts";
import type { SignIns } from "./sign-ins.ts";

export interface Core {
  readonly settings: Settings;
  readonly events: Events;
  readonly locks: Locks;
  readonly unknownKeys: UnknownKeys;
  readonly signIns: SignIns;
  readonly clocks: ClockWatch;
  readonly endings: Endings;
}

/** What the rows said about this request. Set at open; a commit that was overtaken sets it anew. */
export type Standing =
  /** No session; one may be made. */
  | { readonly kind: "none" }
  /** Only a sign-in may save anything or set a cookie. */
  | {
      readonly kind: "detached";
      readonly why:
        | "replaced"
        | "ended"
        | "taken_over"
        | "skew"
        | "insecure"
        /** Replaced long ago, while the session lives: the browser may have a newer cookie, and have held this back. */
        | "outdated"
        /** The session is bound to another address or browser. */
        | "moved"
        /** The browser has withheld its cookies. */
        | "cross_site"
        /** A token that the browser has replaced, and held back. */
        | "stray"
        /** The session is bound to a key, and the request came without a proof of that. */
        | "unproved";
      /** The session whose secret was replaced, where the presented one may still end it. */
      readonly leaving?: Leaving | undefined;
    }
  /** The rows could not be read, and the policy is to go on: as `detached`, and what must be stored fails. */
  | { readonly kind: "detached"; readonly why: "unavailable"; readonly error: unknown }
  | { readonly kind: "live" | "previous"; readonly session: SessionRow }
  | RememberedStanding;

/** The key of the session or login whose cookie a request presents, and whether its browser has proved that it holds it. */
export interface BoundStanding extends Bound {
  /** When the key was last proved; undefined without such a proof. */
  readonly provedAt: number | undefined;
  /** Nothing is asked of the request: it was on its way when the browser first had the short cookie, or that has not been. */
  readonly isEarly: boolean;
  /** The user whose session it is. */
  readonly userId: UserId | undefined;
  /** The row that presents the device to `revoke`, and what lists call it. */
  readonly rowId: string;
  readonly loginId: string | undefined;
  readonly handle: string;
}

/** What an end needs to know of the session that it ends. */
export interface Leaving {
  readonly row: SessionRow;
  /** The digest of the presented secret, where the request stands on that. */
  readonly secret: Digest | undefined;
}

export interface RememberedStanding {
  readonly kind: "remembered";
  readonly effect: "rotate" | "recover" | "converge" | "accept";
  readonly login: RememberedRow;
  /** Undefined where the login's row was lost. */
  readonly session: SessionRow | undefined;
  readonly presented: PresentedRemember;
}

/** What the handler asked for beyond changing data. */
export type Intent =
  | { readonly kind: "keep" }
  /** `isFinal`: the old secret gets nothing, as after a sign-in. */
  | { readonly kind: "regenerate"; readonly isFinal?: boolean }
  | ({ readonly kind: "reauthenticate" } & Raise)
  | LoginIntent
  | BeginIntent
  | RenewIntent
  | { readonly kind: "logout" };

/** A credential was proved again. */
export interface Raise {
  readonly provedAt: number;
  /** How, where the application said so: what is added to the session's proofs. */
  readonly proofs: string | undefined;
  /** The end of the session's remembered login, beyond which the session's does not go. */
  readonly notAfter: number | undefined;
}

/** New secrets for the same sign-in. It proves nothing, so it takes effect only while what it renews is alive. */
export interface RenewIntent {
  readonly kind: "renew";
  /** The session's login, where the request presented its current token: only then it gets a successor. */
  readonly login: RememberedRow | undefined;
  /** A login whose token was not presented ends, as after a changed password. */
  readonly endsLogin: boolean;
  readonly raise: Raise | undefined;
}

export interface LoginIntent {
  readonly kind: "login";
  readonly userId: UserId;
  readonly level: SessionLevel;
  readonly authenticatedAt: number | undefined;
  readonly proofs: string | undefined;
  /** The remembered login to be made; `life` in milliseconds. */
  readonly remember: { readonly id: string; readonly life: number | undefined } | undefined;
  readonly lives: Lives | undefined;
  /** The option `devices.max`, for this user. */
  readonly max: number | undefined;
  /** It is the second step of one that had begun on the session at hand: only there, and only once. */
  readonly completes: boolean;
  /** The whole present data is carried, so changes of parallel requests are too. */
  readonly carriesAll: boolean;
  /** The sign-in was another library's: no credential is proved now. */
  readonly isTakenOver?: boolean;
  /** The user's other device of this tag ends. */
  readonly tag: string | undefined;
  /** When the credential was checked. */
  readonly provedAt: number;
}

/** A first factor was proved, and the sign-in waits for another. */
export interface BeginIntent {
  readonly kind: "begin";
  readonly pending: Pick<SessionRow, "pendingUserId" | "pending">;
  readonly carriesAll: boolean;
}

/** The lifetime that an integration sets for one session, in place of the options'. */
export interface SessionLife {
  /** The session ends this many milliseconds after its last use. */
  readonly idle: number;
  /** How long the browser keeps the session cookie, in milliseconds; undefined: until it closes. */
  readonly maxAge: number | undefined;
  /** The cookie is sent again although its secret stays: its time begins anew. */
  readonly resend: boolean;
}

/** How a request stood before it changed whose data it holds: before a sign-in, or before it dropped some. */
export type Checkpoint = Pick<RequestState, "standing" | "intent" | "drawnId" | "successor" | "presented"> & {
  readonly data: Snapshot;
};

/**
 * One request, from open to commit. Fields that change after the opening are written only by the file named above
 * them, which takes the state as `Writing`; to all others they are read-only.
 */
export interface RequestState {
  readonly core: Core;
  readonly facts: RequestFacts;
  /** Identifies the request, whatever wraps it. */
  readonly request: object;
  readonly rememberCookie: Presented<PresentedRemember>;
  readonly outcome: Outcome;
  readonly ended: EndedBecause | undefined;
  /** When the session was opened. */
  readonly openedAt: number;
  /**
   * When the head of the request arrived, as far as that is known and trusted. What the request proves, it proved then,
   * however long its body or its handler takes.
   */
  readonly arrivedAt: number;
  /** The browser has withheld its cookies, as another site made it send the request. */
  readonly isWithheld: boolean;
  /** The session is used from somewhere else than its row says; the save updates the row. */
  readonly hasMoved: boolean;
  /** The key that the session is bound to. */
  readonly bound: BoundStanding | undefined;
  /** Useless cookies, to be cleared if the answer does not take long. */
  readonly stale: readonly CookieInstruction[];
  /** Changed by the handler; its stored base is set where the request's standing gets a row (standing.ts). */
  readonly data: TrackedData;

  // standing.ts
  readonly standing: Standing;
  /** The session cookie that the request stands on. */
  readonly presented: PresentedSession | undefined;
  /** What the session's cookie has to be when its row is made; see `RequestFacts.successor`. */
  readonly successor: SessionCookie | undefined;
  /** The row id of a session that is yet to be stored; see `newIdOf`. */
  readonly drawnId: string | undefined;
  readonly intent: Intent;
  /** The state to go back to where the handler's later calls cannot be stored. */
  readonly checkpoint: Checkpoint | undefined;
  /** Changes were discarded since the last commit began. */
  readonly hasDiscarded: boolean;
  /** A change was stored, discarded or lost meanwhile: the answer is this visitor's. */
  readonly isPersonal: boolean;
  /** A credential was proved in this request, and that is stored: its browser may be asked for a key. */
  readonly hasProved: boolean;

  // lifetime.ts
  /** Whether the request counts as a use of the session. "extends": even where the last one was a moment ago. */
  readonly use: "counts" | "none" | "extends";

  /** The session of the administrator who acts as this one's user (standing.ts). */
  readonly host: SessionRow | undefined;

  // trust.ts
  /** The record by which this user trusts the browser, as far as the request has read or made it. */
  readonly trust: SessionRow | undefined;

  // commit.ts
  /** The commit, save or update that is under way: one at a time, or they would overwrite each other. */
  readonly turn: Promise<unknown> | undefined;
  /** Cookies to be sent, by name: the last instruction wins. */
  readonly cookies: Map<string, CookieInstruction>;

  // save.ts
  /** While `update` runs: puts its change onto fresh data and returns the keys that both sides changed. */
  readonly rerun: ((fresh: string) => string[]) | undefined;

  // exclusive.ts
  /** Held from `exclusive` until the response begins. */
  readonly lock: HeldLock | undefined;

  // asides.ts
  /** The CSRF secret that was made after the sign-in of this request; an attacker may know any other. */
  readonly csrf: string | undefined;
  /** The keys of states that were made after the sign-in of this request; an attacker may know the others. */
  readonly states: Set<string>;
  /** Messages, where the handler asked for them. */
  readonly flash: Flash | undefined;

  // bind.ts
  /** That it came without a proof is reported no more: it is about the key itself, or was opened before. */
  readonly isAboutKey: boolean;

  // remember-key.ts
  /** Of the login that the remember cookie names; undefined where that was not read. */
  readonly keyOfLogin: BoundStanding | "none" | undefined;

  // use.ts
  /** Something that depends on the cookies was read: so may the answer. */
  readonly isLookedAt: boolean;

  // session.ts
  /** A guard let the request through. */
  readonly isGuarded: boolean;
  readonly destroyed: boolean;

  // exchange.ts
  readonly life: SessionLife | undefined;
  /** False once the head of the response has left, or where it never could carry cookies. */
  readonly canSetCookies: boolean;
  /** Called where the data is used after the response has begun. */
  readonly onUseAfterHead: (() => void) | undefined;
}

/** The state of a request for the one file that writes these fields of it. */
export type Writing<Field extends keyof RequestState> = Omit<RequestState, Field> & {
  -readonly [F in Field]: RequestState[F];
};

/** How caches may use the answer. Undefined where the session was not looked at. */
export function cachingOf(state: RequestState): Caching | undefined {
  if (!state.isLookedAt || state.core.settings.caching === "off") return undefined;
  if (state.isGuarded) return "guarded";
  const isPersonal =
    state.isPersonal || identityOf(state).userId !== undefined || waitingOf(state) !== undefined;
  return isPersonal ? "private" : "varies";
}

/** The remembered login that a request stands on. */
export const ownLoginOf = (standing: Standing): string | undefined =>
  standing.kind === "remembered" ? standing.login.id : sessionOf(standing)?.rememberedId;

/** The session at hand gets another identity: what parallel requests did to the old one does not undo that. */
export const isSignIn = (intent: Intent): intent is LoginIntent | BeginIntent =>
  intent.kind === "login" || intent.kind === "begin";

/** The handler asked for something that has not been stored. */
export const isChanged = (state: RequestState): boolean =>
  state.intent.kind !== "keep" || state.data.changed() !== undefined;

/** The handler began anew: nothing of the old row may reach the new session, nor may the old secret reach that. */
export const beginsAnew = (intent: Intent): boolean =>
  intent.kind === "regenerate" && intent.isFinal === true;

/** The settings, with the lives of this session or of the sign-in at hand. */
export function settingsOf(state: RequestState): Settings {
  const { life, core, intent } = state;
  const { settings } = core;
  const { idleFor, absoluteFor } = (intent.kind === "login" ? intent.lives : sessionOf(state.standing)) ?? {};
  if (life === undefined && idleFor === undefined && absoluteFor === undefined) return settings;
  const { session } = settings;
  // Capped at the longest a session can live: stores cannot keep times beyond 2^53.
  const idle = Math.min(life?.idle ?? session.idle, idleFor ?? session.absolute, session.absolute);
  // A short life must not run out between two touches.
  const touchEvery = Math.min(session.touchEvery, Math.floor(idle / 10));
  const absolute = Math.min(session.absolute, absoluteFor ?? session.absolute);
  return { ...settings, session: { ...session, idle, absolute, touchEvery } };
}

export const sessionOf = (standing: Standing): SessionRow | undefined =>
  "session" in standing ? standing.session : undefined;

/** The visitor's identity, by the rows and the handler's calls since. */
export interface Identity {
  readonly userId: UserId | undefined;
  readonly level: SessionLevel;
  readonly authenticatedAt: number | undefined;
  readonly proofs: string | undefined;
  readonly rememberedId: string | undefined;
}

export const ANONYMOUS: Identity = {
  userId: undefined,
  level: "anonymous",
  authenticatedAt: undefined,
  proofs: undefined,
  rememberedId: undefined,
};

export function identityOf(state: RequestState): Identity {
  const { intent, standing } = state;
  if (intent.kind === "logout" || intent.kind === "begin") return ANONYMOUS;
  if (intent.kind === "login") {
    const { userId, level, authenticatedAt, proofs, remember } = intent;
    return { userId, level, authenticatedAt, proofs, rememberedId: remember?.id };
  }
  const before = identityOfStanding(standing);
  const raise = raiseOf(intent);
  if (raise === undefined) return before;
  // Of a level that was restored only, nothing proved before counts.
  const earlier = before.level === "login" ? readProofs(before.proofs) : [];
  const proofs = writeProofs([...earlier, ...readProofs(raise.proofs)]);
  return { ...before, level: "login", authenticatedAt: raise.provedAt, proofs };
}

/** The sign-in that has begun on this session and waits for another factor. */
export function waitingOf({ standing, intent, core }: RequestState): Pending | undefined {
  if (intent.kind === "logout" || intent.kind === "login") return undefined;
  const fields = intent.kind === "begin" ? intent.pending : sessionOf(standing);
  return fields?.pendingUserId === undefined ? undefined : pendingOf(fields, core.settings.clock.now());
}

/** The credential that was proved again, where one was. */
export function raiseOf(intent: Intent): Raise | undefined {
  if (intent.kind === "renew") return intent.raise;
  return intent.kind === "reauthenticate" ? intent : undefined;
}

export function identityOfStanding(standing: Standing): Identity {
  if (standing.kind === "remembered") {
    const { login, session } = standing;
    return {
      userId: login.userId,
      // A remember cookie is no authentication, whatever the session had reached (NIST SP 800-63B 5.1).
      level: "remembered",
      authenticatedAt: session?.authenticatedAt ?? login.createdAt,
      proofs: undefined,
      rememberedId: login.id,
    };
  }
  const row = sessionOf(standing);
  if (row?.userId === undefined || !isSession(row)) return ANONYMOUS;
  const { userId, level, authenticatedAt, proofs, rememberedId } = row;
  return { userId, level, authenticatedAt, proofs, rememberedId };
}
