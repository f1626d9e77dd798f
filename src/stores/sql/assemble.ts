import type { AuditEntry } from "../audit.ts";
import type { ListedSession, RememberedRow, SessionRow } from "../store.ts";

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
    retiredSecret: values[4],
    fence: values[5],
    rememberedId: values[6],
    userId: values[7],
    level: values[8],
    authenticatedAt: values[9],
    confirmFrom: values[10],
    data: values[11],
    version: values[12],
    createdAt: values[13],
    beganAt: values[14],
    lastSeenAt: values[15],
    idleDeadline: values[16],
    absoluteDeadline: values[17],
    userAgent: values[18],
    address: values[19],
    name: values[20],
    tag: values[21],
    pruneAfter: values[22],
  }) satisfies Fields<SessionRow> as SessionRow;

const DATA = 11;

/** Of the same columns without the data. */
export function assembleListed(values: Values): ListedSession {
  const { data: _, ...session } = assembleSession([
    ...values.slice(0, DATA),
    undefined,
    ...values.slice(DATA),
  ]);
  return session;
}

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
    strays: values[11],
    createdAt: values[12],
    lastUsedAt: values[13],
    idleDeadline: values[14],
    absoluteDeadline: values[15],
    revokedAt: values[16],
    revokedReason: values[17],
    name: values[18],
    tag: values[19],
    pruneAfter: values[20],
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
