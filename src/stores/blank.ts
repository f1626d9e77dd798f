import type { AuditEntry } from "./audit.ts";
import type { RememberedRow, SessionRow } from "./store.ts";

/**
 * Rows to be filled in by a reader, with every field there from the start: an object that gets its twenty fields one by
 * one changes its shape twenty times, which takes four times as long.
 */
export type Blank<Row> = { -readonly [K in keyof Row]: Row[K] | undefined };

export const blankSession = (): Blank<SessionRow> => ({
  id: undefined,
  secret: undefined,
  secretAt: undefined,
  previousSecret: undefined,
  rememberedId: undefined,
  userId: undefined,
  level: undefined,
  authenticatedAt: undefined,
  confirmFrom: undefined,
  data: undefined,
  version: undefined,
  createdAt: undefined,
  lastSeenAt: undefined,
  idleDeadline: undefined,
  absoluteDeadline: undefined,
  userAgent: undefined,
  address: undefined,
  name: undefined,
  tag: undefined,
  pruneAfter: undefined,
});

export const blankLogin = (): Blank<RememberedRow> => ({
  id: undefined,
  userId: undefined,
  token: undefined,
  previous: undefined,
  superseded: undefined,
  supersededAt: undefined,
  salt: undefined,
  keyId: undefined,
  generation: undefined,
  rotatedAt: undefined,
  confirmedAt: undefined,
  createdAt: undefined,
  lastUsedAt: undefined,
  idleDeadline: undefined,
  absoluteDeadline: undefined,
  revokedAt: undefined,
  revokedReason: undefined,
  name: undefined,
  tag: undefined,
  pruneAfter: undefined,
});

export const blankEntry = (): Blank<AuditEntry> => ({
  id: undefined,
  at: undefined,
  event: undefined,
  userId: undefined,
  handle: undefined,
  address: undefined,
  detail: undefined,
});
