import { PsessionError } from "../../errors.ts";
import type { EventName, PsessionEvents } from "../../events.ts";
import {
  type CookieInstruction,
  MAX_AGE_LIMIT_SECONDS,
  rememberCookieValue,
  sessionCookieValue,
} from "../../http/cookies.ts";
import { knownDeviceCookie, readKnownDevice } from "../../http/known-device.ts";
import { methodsOf, readProofs } from "../../protocol/proofs.ts";
import { digest, type Secret, sameDigest } from "../../protocol/secrets.ts";
import type {
  Proof,
  RememberedRow,
  RememberedUse,
  SessionRow,
  SessionUpdate,
  Touch,
  UserId,
  Write,
} from "../../stores/store.ts";
import { originOf } from "../facts.ts";
import { afterOwnMarks, MARK_OF_EVERYONE, marksOf, outdatedProof, PROOF_LIFE } from "../marks.ts";
import { handleOf, sessionDeadlines } from "../rows.ts";
import { identityOf, type Raise, type RequestState, raiseOf, type Standing, settingsOf } from "../state.ts";

export type PlannedEvent = { [K in EventName]: readonly [K, PsessionEvents[K]] }[EventName];

/** The effects of one commit: what the store is asked to do, and what follows if it does. */
export interface Plan {
  readonly change?: Write | undefined;
  readonly touch?: Touch;
  readonly cookies: readonly CookieInstruction[];
  readonly events: readonly PlannedEvent[];
  /** How the request stands once the change is done. */
  readonly standing: Standing;
  /** What the handler asked for waits for the response. */
  readonly isIntentPending?: boolean;
}

export function updated(row: SessionRow, update: SessionUpdate): SessionRow {
  return { ...row, ...update.set, version: row.version + 1 };
}

export const confirmed = (use: RememberedUse | undefined) =>
  use?.confirm === undefined ? {} : { confirmFrom: undefined };

export function confirmEvents(row: SessionRow, use: RememberedUse | undefined, now: number): PlannedEvent[] {
  if (use?.confirm === undefined || row.userId === undefined) return [];
  return [["confirmed", { at: now, handle: handleOf(row), userId: row.userId }]];
}

export const heldBy = ({ id, generation }: RememberedRow) => ({ id, generation });

/**
 * A proof of a credential begins the session's deadlines anew, but never beyond those of its login: NIST SP 800-63B-4
 * section 5.2.
 */
export const raisedSession = (state: RequestState, { provedAt, notAfter }: Raise, now: number) => ({
  level: "login" as const,
  authenticatedAt: provedAt,
  proofs: identityOf(state).proofs,
  ...sessionDeadlines(now, settingsOf(state), notAfter),
});

/** An exchange after which the old secret gets nothing; where the same user caused it, it may still sign out. */
export const fenced = (row: Pick<SessionRow, "secret" | "fence">, secret: Secret, now: number) => ({
  secret: digest(secret),
  secretAt: now,
  previousSecret: undefined,
  retiredSecret: row.secret,
  fence: row.fence + 1,
});

/** The condition that a proof of a credential is newer than the marks of its user, such as of a changed password. */
export function proofOf(state: RequestState, userId: UserId, provedAt: number): Proof {
  const { clock } = state.core.settings;
  if (clock.now() - provedAt > PROOF_LIFE) throw outdatedProof();
  const marks = marksOf(userId);
  return {
    marks,
    ofEveryone: MARK_OF_EVERYONE,
    provedAt: afterOwnMarks(state.request, marks, provedAt),
  };
}

export function sessionCookie(state: RequestState, id: string, secret: Secret): CookieInstruction {
  const { cookies, keys, clock } = state.core.settings;
  const maxAge = state.life?.maxAge;
  const seconds =
    maxAge === undefined ? undefined : Math.min(Math.ceil(maxAge / 1000), MAX_AGE_LIMIT_SECONDS);
  // What follows a sign-out is the session of neither.
  if (state.host !== undefined && state.intent.kind !== "logout") {
    const value = sessionCookieValue({ id, secret }, keys, "acting");
    return { definition: cookies.acting, value, maxAgeSeconds: undefined };
  }
  return {
    definition: cookies.session,
    value: sessionCookieValue({ id, secret }, keys),
    maxAgeSeconds: seconds,
    expiresAt: seconds === undefined ? undefined : clock.now() + seconds * 1000,
  };
}

/**
 * The cookie that came along, to be sent again. It goes out only with a save that is conditional on the row: a
 * parallel request may have given the browser a newer one, which this must not overwrite.
 */
export function sameSessionCookie(state: RequestState, row: SessionRow): CookieInstruction | undefined {
  const { life, presented, canSetCookies } = state;
  if (life?.resend !== true || presented === undefined || !canSetCookies) return undefined;
  return sameDigest(presented.digest, row.secret)
    ? sessionCookie(state, row.id, presented.secret)
    : undefined;
}

export function rememberCookie(
  state: RequestState,
  login: RememberedRow,
  token: Secret,
  now: number,
): CookieInstruction {
  const { cookies, keys } = state.core.settings;
  const { id, generation, absoluteDeadline } = login;
  return {
    definition: cookies.remember,
    value: rememberCookieValue({ id, generation, token }, keys),
    maxAgeSeconds: Math.max(1, Math.floor((absoluteDeadline - now) / 1000)),
  };
}

/** With `devices.detectNew`: whether the browser was known for the user, and its new cookie. */
export function recognised(
  state: RequestState,
  userId: UserId,
): { readonly isNew: boolean; readonly cookies: readonly CookieInstruction[] } {
  const { devices, cookies, keys } = state.core.settings;
  if (!devices.detectNew) return { isNew: false, cookies: [] };
  const { device, isKnown } = readKnownDevice(state.facts.cookie, cookies.device.name, userId, keys);
  return {
    isNew: !isKnown,
    cookies: [knownDeviceCookie(cookies.device, device, userId, keys)],
  };
}

export const reauthenticated = (state: RequestState, session: SessionRow, now: number): PlannedEvent =>
  event("reauthenticated", {
    at: now,
    sessionId: session.id,
    userId: session.userId,
    handle: handleOf(session),
    request: originOf(state.facts),
    level: "login",
    methods: methodsOf(readProofs(raiseOf(state.intent)?.proofs)),
  });

export const nothing = (standing: Standing): Plan => ({ cookies: [], events: [], standing });

export const event = <K extends EventName>(type: K, facts: PsessionEvents[K]): PlannedEvent =>
  [type, facts] as unknown as PlannedEvent;

export function assertDeliverable(state: RequestState, what: string): void {
  if (state.standing.kind === "detached" && state.standing.why === "insecure") throw insecure();
  if (!state.canSetCookies) throw undeliverable(what);
}

export function undeliverable(what: string): PsessionError {
  return new PsessionError(
    "headers_already_sent",
    `Could not ${what}: this response can carry no cookies, as its head was already sent. Do it before writing.`,
  );
}

export function insecure(): PsessionError {
  return new PsessionError(
    "insecure_transport",
    "This request came over plain http, so its Secure cookies would be lost. Behind a proxy that speaks https, " +
      "trust it (Express: app.set('trust proxy', 1)); on localhost use dangerouslyAllowInsecureHttp.",
  );
}

/** The error of a request that was let in as anonymous while the store was down. */
export function unavailable(cause: unknown): PsessionError {
  return new PsessionError(
    "store_unavailable",
    "The store could not be read, so this visitor counts as anonymous, and nothing can be saved in this request.",
    { cause },
  );
}

/** The event of a request that could carry out no exchange. */
export const deferred = (
  state: RequestState,
  session: SessionRow | undefined,
  what: PsessionEvents["rotationDeferred"]["what"],
  now: number,
): PlannedEvent => {
  const { userId, rememberedId } = identityOf(state);
  const handle = rememberedId ?? session?.id ?? "";
  return event("rotationDeferred", { at: now, sessionId: session?.id, userId, handle, what });
};
