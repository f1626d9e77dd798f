import type { Flash } from "../data/flash.ts";
import type { SessionData } from "../data/session-data.ts";
import type { Events } from "../events.ts";
import type {
  CookieInstruction,
  Presented,
  PresentedRemember,
  PresentedSession,
  SessionCookie,
} from "../http/cookies.ts";
import type { HeldLock, Locks } from "../locks.ts";
import type { Settings } from "../options.ts";
import { newId, newSiblingId } from "../secrets.ts";
import type { Level, RememberedRow, SessionRow, UserId } from "../stores/store.ts";
import type { RequestFacts } from "./facts.ts";

export interface Core {
  readonly settings: Settings;
  readonly events: Events;
  readonly locks: Locks;
}

/** What the rows said about this request. Set at open; a commit that was overtaken sets it anew. */
export type Standing =
  /** No session; one may be made. */
  | { readonly kind: "none" }
  /** Nothing may be saved and no cookie set, except by a sign-in. */
  | { readonly kind: "detached"; readonly why: "replaced" | "ended" | "taken_over" | "skew" | "insecure" }
  /** The rows could not be read, and the policy is to go on: as `detached`, and what must be stored fails. */
  | { readonly kind: "detached"; readonly why: "unavailable"; readonly error: unknown }
  | { readonly kind: "live" | "late"; readonly session: SessionRow }
  | RememberedStanding;

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
  | { readonly kind: "reauthenticate"; readonly at: number }
  | LoginIntent
  | { readonly kind: "logout" };

export interface LoginIntent {
  readonly kind: "login";
  readonly userId: UserId;
  readonly level: Level;
  readonly authenticatedAt: number | undefined;
  /** The remembered login to be made; `until` keeps an absolute deadline that runs already. */
  readonly remember: { readonly id: string; readonly until: number | undefined } | undefined;
  /** The whole present data is carried, so changes of parallel requests are too. */
  readonly carriesAll: boolean;
  /** The sign-in was another library's: nobody proves anything now. */
  readonly isTakenOver?: boolean;
  /** The user's other device of this tag ends. */
  readonly tag: string | undefined;
  /** New secrets for the same sign-in, rather than another sign-in. */
  readonly isRenewal: boolean;
}

/** What became of the cookies that a request presented. For handlers and logs; answers to visitors do not differ. */
export type Outcome =
  | "none"
  | "live"
  | "restored"
  | "recovered"
  | "converged"
  | "accepted"
  | "theft"
  | "expired"
  | "moved"
  | "revoked"
  | "unknown"
  | "replaced"
  | "malformed"
  | "duplicate"
  | "ahead"
  | "skew"
  | "insecure"
  | "unavailable";

/** What an adapter asks for the life of one session, in place of what the options say. */
export interface SessionLife {
  /** The session ends this many milliseconds after its last use. */
  readonly idle: number;
  /** How long the browser keeps the session cookie, in milliseconds; undefined: until it closes. */
  readonly maxAge: number | undefined;
  /** The cookie is sent again although its secret stays: its time begins anew. */
  readonly resend: boolean;
}

/** One request, from open to commit. */
export interface RequestState {
  readonly core: Core;
  readonly facts: RequestFacts;
  readonly rememberCookie: Presented<PresentedRemember>;
  readonly outcome: Outcome;
  /** When the request came. What it proves, it proved then, however long its handler takes. */
  readonly openedAt: number;
  readonly data: SessionData;
  life: SessionLife | undefined;
  /** The session cookie that the request stands on. */
  presented: PresentedSession | undefined;
  /** What the session's cookie has to be when its row is made; see `RequestFacts.successor`. */
  successor: SessionCookie | undefined;
  standing: Standing;
  intent: Intent;
  /** The row id of a session that is yet to be stored; see `newIdOf`. */
  drawnId: string | undefined;
  destroyed: boolean;
  /** False once the head of the response has left, or where it never could carry cookies. */
  canSetCookies: boolean;
  /** Cookies that are of no use any more, to be cleared if the answer does not take long. */
  readonly stale: readonly CookieInstruction[];
  /** Changes were given up since this was last looked at. */
  hasDiscarded: boolean;
  /** The commit, save or update that is under way: one at a time, or they would overwrite each other. */
  turn: Promise<unknown> | undefined;
  /** While `update` runs: puts its change onto fresh data and returns the keys that both sides changed. */
  rerun: ((fresh: string) => string[]) | undefined;
  /** The session is used from somewhere else than its row says, which the row is to be told. */
  readonly hasMoved: boolean;
  /** Held from `exclusive` until the response begins. */
  lock: HeldLock | undefined;
  /** Messages, where the handler asked for them. */
  flash: Flash | undefined;
  /** Called where the data is used after the response has begun. */
  onLateUse: (() => void) | undefined;
  /** Cookies to be sent, by name: the last instruction wins. */
  readonly cookies: Map<string, CookieInstruction>;
}

/** The handler asked for something that has not been stored. */
export const isChanged = (state: RequestState): boolean =>
  state.intent.kind !== "keep" || state.data.changed() !== undefined;

/** The handler began anew: nothing of the row that it found may reach what follows, nor what follows the old secret. */
export const beginsAnew = (intent: Intent): boolean =>
  intent.kind === "regenerate" && intent.isFinal === true;

/** Drawn when somebody asks for it: most requests find a session, and random bytes cost more than all the rest. */
export function newIdOf(state: RequestState): string {
  const { standing } = state;
  // A login whose session row was lost gets one that belongs to it.
  state.drawnId ??= state.successor?.id;
  state.drawnId ??= standing.kind === "remembered" ? newSiblingId(standing.login.id) : newId();
  return state.drawnId;
}

/** The settings, with the life that was asked for this session. */
export function settingsOf({ core: { settings }, life }: RequestState): Settings {
  if (life === undefined) return settings;
  const { session } = settings;
  // A short life must not run out between two touches.
  const touchEvery = Math.min(session.touchEvery, Math.floor(life.idle / 10));
  return { ...settings, session: { ...session, idle: life.idle, touchEvery } };
}

export const sessionOf = (standing: Standing): SessionRow | undefined =>
  "session" in standing ? standing.session : undefined;

/** Who the visitor is, by the rows and by what the handler asked for since. */
export interface Identity {
  readonly userId: UserId | undefined;
  readonly level: Level;
  readonly authenticatedAt: number | undefined;
  readonly rememberedId: string | undefined;
}

const ANONYMOUS: Identity = {
  userId: undefined,
  level: "anonymous",
  authenticatedAt: undefined,
  rememberedId: undefined,
};

export function identityOf(state: RequestState): Identity {
  const { intent, standing } = state;
  if (intent.kind === "logout") return ANONYMOUS;
  if (intent.kind === "login") {
    return {
      userId: intent.userId,
      level: intent.level,
      authenticatedAt: intent.authenticatedAt,
      rememberedId: intent.remember?.id,
    };
  }
  const standingIdentity = identityOfStanding(standing);
  if (intent.kind !== "reauthenticate") return standingIdentity;
  return { ...standingIdentity, level: "login", authenticatedAt: intent.at };
}

export function identityOfStanding(standing: Standing): Identity {
  if (standing.kind === "remembered") {
    const { login, session } = standing;
    return {
      userId: login.userId,
      // A remember cookie is no authentication, whatever the session had reached (NIST SP 800-63B 5.1).
      level: "remembered",
      authenticatedAt: session?.authenticatedAt ?? login.createdAt,
      rememberedId: login.id,
    };
  }
  const row = sessionOf(standing);
  if (row?.userId === undefined) return ANONYMOUS;
  const { userId, level, authenticatedAt, rememberedId } = row;
  return { userId, level, authenticatedAt, rememberedId };
}
