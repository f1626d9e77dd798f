import type { Settings } from "../options/settings.ts";
import { NO_ACTOR } from "../protocol/actor.ts";
import { type Bound, writeBound } from "../protocol/bound.ts";
import { NOT_PENDING } from "../protocol/pending.ts";
import { digest, newSalt, type Secret } from "../protocol/secrets.ts";
import type {
  Ending,
  RememberedRow,
  RememberedUse,
  RevocationReason,
  SessionRow,
  UserId,
} from "../stores/store.ts";
import { keptAddress } from "./addresses.ts";
import type { RequestFacts } from "./facts.ts";

const HOUR = 3_600_000;

/** Rounded up to the hour, so that touches of one hour leave the column, and with it the index, as it is. */
const coarse = (time: number): number => Math.ceil(time / HOUR) * HOUR;

export function tombstoneUntil(now: number, settings: Settings): number {
  return coarse(now + settings.remember.tombstone);
}

/** Ends one session of a user, as it is known by its row. */
export const endingOf = (
  { id, userId }: Pick<SessionRow, "id" | "userId">,
  reason: RevocationReason,
  now: number,
  settings: Settings,
): Ending => ({
  session: { id, userId: userId ?? null },
  reason,
  at: now,
  pruneAfter: tombstoneUntil(now, settings),
});

/** When a session's row is garbage: a remembered login brings its data back as long as the login lives. */
export function sessionPruneAfter(now: number, isRemembered: boolean, settings: Settings): number {
  const idle = now + settings.session.idle;
  return coarse(isRemembered ? Math.max(idle, now + settings.remember.idle) : idle);
}

export function sessionDeadlines(now: number, settings: Settings, notAfter = Number.POSITIVE_INFINITY) {
  return {
    beganAt: now,
    lastSeenAt: now,
    idleDeadline: now + settings.session.idle,
    absoluteDeadline: Math.min(now + settings.session.absolute, notAfter),
  };
}

/** The lives of one sign-in, where they are shorter than the options'. */
export type Lives = Pick<SessionRow, "idleFor" | "absoluteFor">;

export interface NewSession {
  readonly id: string;
  readonly secret: Secret;
  readonly data: string;
  readonly now: number;
  readonly identity: Pick<
    SessionRow,
    "userId" | "level" | "authenticatedAt" | "proofs" | "rememberedId" | "confirmFrom"
  >;
  readonly device?: Pick<SessionRow, "handle" | "name" | "tag"> | undefined;
  readonly lives?: Lives | undefined;
  readonly pending?: Pick<SessionRow, "pendingUserId" | "pending"> | undefined;
  /** The key that it is bound to, where a row is made anew. */
  readonly bound?: Bound | undefined;
  /** Where the session came from, for the device list. */
  readonly facts: RequestFacts;
  /** Of the row that is written over, and one more. */
  readonly fence?: number | undefined;
  readonly notAfter?: number | undefined;
}

export function newSessionRow(session: NewSession, settings: Settings): SessionRow {
  const { now, facts, identity } = session;
  return {
    id: session.id,
    secret: digest(session.secret),
    secretAt: now,
    previousSecret: undefined,
    retiredSecret: undefined,
    fence: session.fence ?? 0,
    ...identity,
    ...(session.pending ?? NOT_PENDING),
    ...NO_ACTOR,
    bound: session.bound && writeBound(session.bound),
    data: session.data,
    version: 1,
    createdAt: now,
    ...sessionDeadlines(now, settings, session.notAfter),
    idleFor: session.lives?.idleFor,
    absoluteFor: session.lives?.absoluteFor,
    userAgent: facts.userAgent,
    address: keptAddress(facts.address, settings),
    handle: session.device?.handle,
    name: session.device?.name,
    tag: session.device?.tag,
    pruneAfter: sessionPruneAfter(now, identity.rememberedId !== undefined, settings),
  };
}

export function newRememberedRow(
  login: {
    id: string;
    userId: UserId;
    token: Secret;
    now: number;
    device: Pick<SessionRow, "handle" | "name" | "tag">;
    /** How long it lives at most, in milliseconds. */
    life?: number | undefined;
  },
  settings: Settings,
): RememberedRow {
  const { now, device } = login;
  return {
    id: login.id,
    userId: login.userId,
    token: digest(login.token),
    previous: undefined,
    superseded: undefined,
    supersededAt: undefined,
    salt: newSalt(),
    keyId: settings.keys.currentKeyId,
    generation: 0,
    rotatedAt: now,
    confirmedAt: undefined,
    strays: 0,
    createdAt: now,
    absoluteDeadline: now + Math.min(settings.remember.absolute, login.life ?? Number.POSITIVE_INFINITY),
    revokedAt: undefined,
    revokedReason: undefined,
    handle: device.handle,
    name: device.name,
    tag: device.tag,
    ...rememberedUse(now, settings),
  };
}

/** What any use of a remembered login writes: its idle deadline moves, the absolute one never does. */
export function rememberedUse(
  now: number,
  settings: Settings,
): Pick<RememberedUse, "lastUsedAt" | "idleDeadline" | "pruneAfter"> {
  const idleDeadline = now + settings.remember.idle;
  return { lastUsedAt: now, idleDeadline, pruneAfter: coarse(idleDeadline) };
}

/** What lists of devices call a session: the id that its remembered login had at first, or its own. */
export const handleOf = ({
  id,
  rememberedId,
  handle,
}: Pick<SessionRow, "id" | "rememberedId" | "handle">): string => handle ?? rememberedId ?? id;

/** The same of a remembered login. */
export const handleOfLogin = ({ id, handle }: Pick<RememberedRow, "id" | "handle">): string => handle ?? id;
