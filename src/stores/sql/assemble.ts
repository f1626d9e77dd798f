import type { AuditEntry } from "../audit.ts";
import type { RememberedRow, SessionRow } from "../store.ts";

/** What a row's fields hold, in the order in which `schema.ts` has them; undefined for what there is not. */
export type Values = readonly unknown[];

/*
 * Rows are written out field by field. Put together by a loop over the names of their fields, a row of twenty takes ten
 * times as long, and every signed-in request reads one.
 */

/** All of them, and no others. */
type Fields<Row> = { readonly [K in keyof Row]-?: unknown };

export const assembleSession = (values: Values): SessionRow =>
  ({
    id: values[0],
    secret: values[1],
    secretAt: values[2],
    previousSecret: values[3],
    rememberedId: values[4],
    userId: values[5],
    level: values[6],
    authenticatedAt: values[7],
    confirmFrom: values[8],
    data: values[9],
    version: values[10],
    createdAt: values[11],
    lastSeenAt: values[12],
    idleDeadline: values[13],
    absoluteDeadline: values[14],
    userAgent: values[15],
    address: values[16],
    name: values[17],
    tag: values[18],
    pruneAfter: values[19],
  }) satisfies Fields<SessionRow> as SessionRow;

export const assembleLogin = (values: Values): RememberedRow =>
  ({
    id: values[0],
    userId: values[1],
    token: values[2],
    previous: values[3],
    superseded: values[4],
    supersededAt: values[5],
    salt: values[6],
    keyId: values[7],
    generation: values[8],
    rotatedAt: values[9],
    confirmedAt: values[10],
    createdAt: values[11],
    lastUsedAt: values[12],
    idleDeadline: values[13],
    absoluteDeadline: values[14],
    revokedAt: values[15],
    revokedReason: values[16],
    name: values[17],
    tag: values[18],
    pruneAfter: values[19],
  }) satisfies Fields<RememberedRow> as RememberedRow;

export const assembleEntry = (values: Values): AuditEntry =>
  ({
    id: values[0],
    at: values[1],
    event: values[2],
    userId: values[3],
    handle: values[4],
    address: values[5],
    detail: values[6],
  }) satisfies Fields<AuditEntry> as AuditEntry;
