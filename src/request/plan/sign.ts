import { CSRF, UNSEEN_DEVICE } from "../../data/asides.ts";
import { States } from "../../data/states.ts";
import { clearCookie } from "../../http/cookies.ts";
import { pendingOf } from "../../protocol/pending.ts";
import { methodsOf, readProofs } from "../../protocol/proofs.ts";
import { newSecret } from "../../protocol/secrets.ts";
import type { Cap, Ending, SessionRow, UserId } from "../../stores/store.ts";
import { leftActing } from "../acting.ts";
import { isUnproved } from "../bound.ts";
import { originOf } from "../facts.ts";
import { handleOf, newRememberedRow, newSessionRow, tombstoneUntil } from "../rows.ts";
import { newIdOf } from "../standing.ts";
import {
  ANONYMOUS,
  type BeginIntent,
  identityOf,
  type Leaving,
  type LoginIntent,
  ownLoginOf,
  type RequestState,
  type Standing,
  sessionOf,
  settingsOf,
} from "../state.ts";

import {
  event,
  nothing,
  type Plan,
  type PlannedEvent,
  proofOf,
  recognised,
  rememberCookie,
  sessionCookie,
  unavailable,
  updated,
} from "./parts.ts";
import { planCreate, planDetached } from "./save.ts";

export function planLogin(state: RequestState, intent: LoginIntent, now: number): Plan {
  const settings = settingsOf(state);
  const base = sessionOf(state.standing);
  const isUnseen = state.isWithheld && settings.devices.detectNew;
  prepareAsides(state, isUnseen ? now : undefined);
  // A proof of a credential gets a random secret, which no holder of an older cookie can derive.
  const secret = (intent.isTakenOver ? state.successor?.secret : undefined) ?? newSecret();
  const token = newSecret();
  const device = deviceOf(state, intent);
  const login =
    intent.remember === undefined
      ? undefined
      : newRememberedRow({ ...intent.remember, userId: intent.userId, token, now, device }, settings);
  const confirmFrom = login === undefined ? undefined : now + settings.times.settle;
  const data = state.data.encoded();
  const fresh = newSessionRow(
    {
      id: base?.id ?? newIdOf(state),
      secret,
      data,
      now,
      identity: { ...identityOf(state), confirmFrom },
      device,
      lives: intent.lives,
      facts: state.facts,
      fence: base === undefined ? undefined : base.fence + 1,
      notAfter: login?.absoluteDeadline,
    },
    settings,
  );
  // The row of the session at hand is kept, so that requests on their way with the old secret are recognised.
  const { id, version, createdAt, name, ...set } = fresh;
  const isSameUser = base?.userId === intent.userId;
  const update =
    base === undefined
      ? undefined
      : { id, version: base.version, owner: intent.userId, set: isSameUser ? set : { ...set, name } };
  const session = update === undefined || base === undefined ? fresh : updated(base, update);
  const { isNew, cookies: recognising } = recognised(state, intent.userId);
  const ofDevice = {
    at: now,
    sessionId: session.id,
    userId: intent.userId,
    handle: login?.id ?? session.id,
    remembered: login !== undefined,
    request: originOf(state.facts),
  };
  return {
    change: {
      kind: "signIn",
      proof: proofOf(state, intent.userId, intent.provedAt),
      remember: login,
      ...(update === undefined ? { insert: fresh } : { update }),
      end: endings(state, "replaced", now, undefined, intent.userId),
      caps: capsOf(state, intent, now),
    },
    cookies: [
      sessionCookie(state, session.id, secret),
      ...(login === undefined ? [] : [rememberCookie(state, login, token, now)]),
      ...(login === undefined && clearsRemember(state, intent)
        ? [clearCookie(settings.cookies.remember)]
        : []),
      ...leftActing(state),
      ...(isUnseen ? [] : recognising),
    ],
    events: [
      ...(base === undefined
        ? [event("created", { at: now, sessionId: session.id, userId: intent.userId })]
        : []),
      event("login", { ...ofDevice, methods: methodsOf(readProofs(intent.proofs)) }),
      ...(isNew && !isUnseen ? [event("newDevice", ofDevice)] : []),
    ],
    standing: { kind: "live", session },
  };
}

/**
 * Also where no remember cookie came, as the browser may have one that it did not send. Not where a session of another
 * library is taken over: the user does not sign in, and its own cookie came along.
 */
const clearsRemember = ({ rememberCookie }: RequestState, { isTakenOver }: LoginIntent): boolean =>
  isTakenOver !== true || rememberCookie.kind !== "absent";

/** The session at hand becomes one on which that sign-in waits; whoever was signed in on it no longer is. */
export function planBegin(state: RequestState, { pending }: BeginIntent, now: number): Plan {
  const base = sessionOf(state.standing);
  prepareAsides(state, undefined);
  const secret = newSecret();
  const fresh = newSessionRow(
    {
      id: base?.id ?? newIdOf(state),
      secret,
      data: state.data.encoded(),
      now,
      identity: { ...ANONYMOUS, confirmFrom: undefined },
      pending,
      facts: state.facts,
      fence: base === undefined ? undefined : base.fence + 1,
    },
    state.core.settings,
  );
  const { id, version, createdAt, ...set } = fresh;
  const update = base && { id, version: base.version, owner: undefined, set };
  const session = base === undefined || update === undefined ? fresh : updated(base, update);
  const { pendingUserId: userId } = pending;
  const waiting = pendingOf(pending, 0);
  // Whose credential was changed meanwhile does not begin by the old one, and whoever was erased is named by no row.
  const proof = waiting && proofOf(state, waiting.userId, waiting.provedAt);
  const facts = { at: now, sessionId: id, userId, handle: id, request: originOf(state.facts) };
  return {
    change: { kind: "signIn", proof, ...(update === undefined ? { insert: fresh } : { update }) },
    // A remember cookie stays: where the second step is not taken, it brings its user back.
    cookies: [sessionCookie(state, id, secret)],
    events: [
      ...(base === undefined ? [event("created", { at: now, sessionId: id, userId: undefined })] : []),
      ...(userId === undefined
        ? []
        : [
            event("signInBegun", {
              ...facts,
              userId,
              methods: methodsOf(waiting?.proofs ?? []),
            }),
          ]),
    ],
    standing: { kind: "live", session },
  };
}

/** The name stays where the same user signs in again; it is not written to the row, which may be named meanwhile. */
function deviceOf(
  { standing }: RequestState,
  intent: LoginIntent,
): Pick<SessionRow, "handle" | "name" | "tag"> {
  const before = sessionOf(standing) ?? (standing.kind === "remembered" ? standing.login : undefined);
  const own = before?.userId === intent.userId ? before : undefined;
  return { handle: undefined, name: own?.name, tag: intent.tag };
}

function capsOf(state: RequestState, intent: LoginIntent, now: number): Cap[] {
  const { settings, signIns } = state.core;
  const { userId, tag } = intent;
  const { safety, overflow } = settings.devices;
  const { max } = intent;
  const at = { userId, at: now, pruneAfter: tombstoneUntil(now, settings) };
  return [
    ...(tag === undefined ? [] : [{ ...at, tag, max: 1, overflow: "evictOldest" as const, reason: "tag" }]),
    ...(max === undefined ? [] : [{ ...at, max, overflow, reason: "cap" }]),
    ...(safety !== undefined && signIns.isDue(userId)
      ? [{ ...at, max: safety, overflow: "evictOldest" as const, reason: "cap" }]
      : []),
  ];
}

export function planLogout(state: RequestState, now: number): Plan {
  const { standing } = state;
  const { session, remember, acting, bound } = state.core.settings.cookies;
  if (standing.kind === "detached" && !mayLeave(standing)) {
    // A user must not see a successful sign-out while the session lives on.
    if (standing.why === "unavailable") throw unavailable(standing.error);
    const kept = planDetached(state, standing, now);
    return { ...kept, events: [...kept.events, unmatched(state, now)] };
  }
  const base = leavingOf(state);
  const isUnmatched = standing.kind === "detached" && base === undefined;
  const end = endings(state, "logout", now, base, undefined);
  const events: PlannedEvent[] = [];
  if (base !== undefined) {
    // Who acts as another user signs out as whoever that is.
    const row = state.host ?? base.row;
    // Also of a sign-in that waits for its second step: its trail, and an erasure, have to find the entry.
    const { id: sessionId, userId = row.pendingUserId } = row;
    const handle = handleOf(row);
    events.push(["logout", { at: now, sessionId, userId, handle, request: originOf(state.facts) }]);
  }
  // Data set after the logout, such as a farewell, goes into a new, anonymous session.
  const hasFarewell = !state.destroyed && state.canSetCookies && state.data.changed() !== undefined;
  const created: ReturnType<typeof planCreate> = hasFarewell
    ? planCreate(state, now)
    : { ...nothing({ kind: "none" }), change: undefined };
  const insert = created.change?.insert;
  return {
    change: end.length === 0 ? created.change : { kind: "end", end, insert },
    cookies: [
      clearCookie(session),
      clearCookie(remember),
      ...(state.host === undefined ? leftActing(state) : [clearCookie(acting)]),
      ...(state.bound === undefined ? [] : [clearCookie(bound)]),
      ...created.cookies,
    ],
    events: [...events, ...(isUnmatched ? [unmatched(state, now)] : []), ...created.events],
    standing: created.standing,
  };
}

/**
 * A sign-out clears all cookies, invalid ones too. Not where the browser has withheld them, as any site can make it
 * send that request, and not where a clock is wrong.
 */
function mayLeave({ why }: Standing & { kind: "detached" }): boolean {
  return why !== "unavailable" && why !== "skew" && why !== "insecure" && why !== "cross_site";
}

function leavingOf({ standing, presented }: RequestState): Leaving | undefined {
  if (standing.kind === "detached") return "leaving" in standing ? standing.leaving : undefined;
  const row = sessionOf(standing);
  if (row === undefined) return undefined;
  // By the secret that it stands on: a confirmed password may have replaced it while the handler ran.
  if (standing.kind === "live") return { row, secret: row.secret };
  return { row, secret: standing.kind === "previous" ? presented?.digest : undefined };
}

const unmatched = (state: RequestState, now: number): PlannedEvent =>
  event("logoutUnmatched", { at: now, request: originOf(state.facts) });

/**
 * The login of the session at hand and the one of the remember cookie. The latter only by a token that is or was just
 * valid, as any holder of an old one could end another user's login; or where it belongs to the user who signs in.
 */
function endings(
  state: RequestState,
  reason: string,
  now: number,
  leaving: Leaving | undefined,
  signingIn: UserId | undefined,
): Ending[] {
  const { standing, rememberCookie } = state;
  const at = { reason, at: now, pruneAfter: tombstoneUntil(now, state.core.settings) };
  const own = ownLoginOf(standing);
  const list: Ending[] = [];
  if (leaving !== undefined) {
    const { row, secret } = leaving;
    const login = secret === undefined && own !== undefined ? { id: own } : undefined;
    list.push({ session: { id: row.id, userId: row.userId ?? null, secret }, login, ...at });
  } else if (own !== undefined) list.push({ login: { id: own }, ...at });
  if (state.host !== undefined) {
    const { id, userId = null, secret } = state.host;
    list.push({ session: { id, userId, secret }, ...at });
  }
  // Also the session's own login where a secret ends the session: a restore keeps no old secret that may sign out.
  const isNamed = leaving?.secret === undefined;
  // Without a proof of its key, a copied cookie ends nothing, unless the user who owns it signs in.
  const { bound, keyOfLogin: key } = state;
  const isOthers = key !== "none" && isUnproved(key) && key.userId !== signingIn;
  // A browser that has lost its key: what it had is no device any more.
  if (isUnproved(bound) && bound.userId === signingIn && leaving === undefined && own === undefined) {
    const { rowId, loginId, userId = null } = bound;
    const login = loginId === undefined ? undefined : { id: loginId };
    list.push({ session: { id: rowId, userId, secret: undefined }, login, ...at });
  }
  if (rememberCookie.kind === "valid" && !(isNamed && rememberCookie.cookie.id === own) && !isOthers) {
    const { id, digest: token } = rememberCookie.cookie;
    list.push({ login: { id, token, orOfUser: signingIn }, ...at });
  }
  return list;
}

/**
 * An attacker who planted the session may know its CSRF secret and states (CWE-384). A request whose cookies were
 * withheld does not show whether the browser is known: the next one does.
 */
function prepareAsides({ data, csrf, states, core }: RequestState, unseenSince: number | undefined): void {
  if (data.asides[CSRF] !== csrf) delete data.asides[CSRF];
  new States(data, core.settings.clock.now()).keepOnly(states);
  if (unseenSince !== undefined) data.asides[UNSEEN_DEVICE] = unseenSince;
}
