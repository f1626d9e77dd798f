import { createHash } from "node:crypto";
import { newId, newSiblingId } from "../protocol/secrets.ts";
import type { RememberedRow, SessionRow } from "../stores/store.ts";

/** A moment that rows of the contract are made at: far ahead, as some stores let rows expire by their own clock. */
export const T0 = 4_000_000_000_000;
const DAY = 86_400_000;

/** A digest that tests can name: SHA-256 of a text. */
export const digestOf = (text: string): Uint8Array =>
  new Uint8Array(createHash("sha256").update(text).digest());

/** A session row with every required field; its id is a sibling of its login's. */
export function sessionRow(fields: Partial<SessionRow> = {}): SessionRow {
  return {
    id: fields.rememberedId === undefined ? newId() : newSiblingId(fields.rememberedId),
    secret: digestOf("secret"),
    secretAt: T0,
    previousSecret: undefined,
    retiredSecret: undefined,
    fence: 0,
    rememberedId: undefined,
    userId: undefined,
    level: "anonymous",
    authenticatedAt: undefined,
    proofs: undefined,
    pendingUserId: undefined,
    pending: undefined,
    actorUserId: undefined,
    actor: undefined,
    bound: undefined,
    confirmFrom: undefined,
    data: "{}",
    version: 1,
    createdAt: T0,
    beganAt: T0,
    lastSeenAt: T0,
    idleDeadline: T0 + DAY,
    absoluteDeadline: T0 + 2 * DAY,
    idleFor: undefined,
    absoluteFor: undefined,
    userAgent: undefined,
    address: undefined,
    handle: undefined,
    name: undefined,
    tag: undefined,
    pruneAfter: T0 + 3 * DAY,
    ...fields,
  };
}

/** A remembered login of generation 0. */
export function rememberedRow(fields: Partial<RememberedRow> = {}): RememberedRow {
  return {
    id: newId(),
    userId: "ada",
    token: digestOf("token"),
    previous: undefined,
    superseded: undefined,
    supersededAt: undefined,
    salt: digestOf("salt").slice(0, 16),
    keyId: "key",
    generation: 0,
    rotatedAt: T0,
    confirmedAt: undefined,
    strays: 0,
    createdAt: T0,
    lastUsedAt: T0,
    idleDeadline: T0 + 14 * DAY,
    absoluteDeadline: T0 + 30 * DAY,
    revokedAt: undefined,
    revokedReason: undefined,
    handle: undefined,
    name: undefined,
    tag: undefined,
    pruneAfter: T0 + 31 * DAY,
    ...fields,
  };
}

/** Rows in one form: digests as hex, so that Buffers and Uint8Arrays compare by content. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
