import { describe, expect, test } from "vitest";
import type { RememberedRow } from "../../src/index.ts";
import {
  decideOvertaken,
  decideRemember,
  decideSession,
  mayConfirm,
  withoutOverwriting,
} from "../../src/protocol/decide.ts";
import { protocolTimes as t } from "../../src/protocol/times.ts";
import { digestOf, rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";

const CURRENT = digestOf("current");
const PREVIOUS = digestOf("previous");
const SUPERSEDED = digestOf("superseded");
const OLD = digestOf("old");

/** Generation 5, rotated at T0, nobody confirmed it yet. */
const row = (fields: Partial<RememberedRow> = {}) =>
  rememberedRow({ token: CURRENT, previous: PREVIOUS, generation: 5, rotatedAt: T0, ...fields });

/** Of a request that nothing has held up. */
const moment = (at: number) => ({ now: T0 + at, arrivedAt: T0 + at });

const decide = (
  fields: Partial<RememberedRow>,
  token: Uint8Array,
  at: number,
  generation = token === CURRENT ? 5 : 4,
) => decideRemember(row(fields), { token, generation }, moment(at), t);

test("the windows follow from the measured times", () => {
  expect([t.mid, t.settle, t.grace, t.flight]).toEqual([80_000, 120_000, 65_000, 35_000]);
});

describe("the current token", () => {
  test("rotates once it is confirmed, however young", () => {
    expect(decide({ confirmedAt: T0 }, CURRENT, 0).kind).toBe("rotate");
  });

  test("unconfirmed, is accepted until SETTLE and rotates after it", () => {
    expect(decide({}, CURRENT, t.settle).kind).toBe("accept");
    expect(decide({}, CURRENT, t.settle + 1).kind).toBe("rotate");
  });
});

describe("the previous token while the current one is unconfirmed", () => {
  test.each([
    [0, "converge"],
    [t.converge, "converge"],
    [t.converge + 1, "accept"],
    [t.mid, "accept"],
    [t.mid + 1, "recover"],
    [365 * 86_400_000, "ended"],
  ])("after %i ms: %s", (age, kind) => {
    expect(decide({}, PREVIOUS, age).kind).toBe(kind);
  });

  test("alarms once the current one is confirmed", () => {
    expect(decide({ confirmedAt: T0 + 1 }, PREVIOUS, 2).kind).toBe("theft");
  });
});

test("a superseded token is accepted while it may be in flight, then alarms", () => {
  const fields = { superseded: SUPERSEDED, supersededAt: T0 };
  expect(decide(fields, SUPERSEDED, t.flight).kind).toBe("accept");
  expect(decide(fields, SUPERSEDED, t.flight + 1).kind).toBe("theft");
});

test("any other token under a known id alarms", () => {
  expect(decide({}, OLD, 0).kind).toBe("theft");
  expect(decide({}, OLD, 0, 3).kind).toBe("theft");
});

test("a generation ahead of the row's is a restored backup, not a thief", () => {
  expect(decide({}, OLD, 0, 6).kind).toBe("ahead");
});

test("unknown, revoked and expired end quietly; the cookie goes only when nothing newer can be on its way", () => {
  const quiet = t.delivery + t.transit;
  expect(decideRemember(undefined, { token: CURRENT, generation: 0 }, moment(0), t)).toMatchObject({
    why: "unknown",
  });
  expect(decide({ revokedAt: T0 }, OLD, quiet)).toEqual({ kind: "ended", why: "revoked", clear: false });
  expect(decide({ revokedAt: T0 }, OLD, quiet + 1)).toEqual({ kind: "ended", why: "revoked", clear: true });
  expect(decide({ idleDeadline: T0 }, CURRENT, 1)).toEqual({ kind: "ended", why: "expired", clear: false });
  expect(decide({ absoluteDeadline: T0 }, CURRENT, 1)).toMatchObject({ why: "expired" });
  expect(decide({ idleDeadline: T0 }, CURRENT, 0).kind).toBe("accept");
});

test("a row from a clock further ahead than servers may differ is refused", () => {
  expect(decide({}, CURRENT, -t.skew).kind).toBe("accept");
  expect(decide({}, CURRENT, -t.skew - 1).kind).toBe("future");
  expect(decide({ confirmedAt: T0 + t.skew + 2 }, CURRENT, 1).kind).toBe("future");
});

describe("a commit that was overtaken", () => {
  const overtaken = (fields: Partial<RememberedRow>, token: Uint8Array, at: number) =>
    decideOvertaken(row(fields), { token, generation: 4 }, T0 + at, t);

  test("converges where its token is the predecessor, otherwise sends no cookies", () => {
    expect(overtaken({}, PREVIOUS, t.converge).kind).toBe("converge");
    expect(overtaken({}, PREVIOUS, t.converge + 1).kind).toBe("accept");
    expect(overtaken({ confirmedAt: T0 }, PREVIOUS, 0).kind).toBe("accept");
  });

  test("never alarms: the request was honest when it was opened", () => {
    expect(overtaken({}, OLD, 10 * t.settle).kind).toBe("accept");
  });

  test("stays out of a login that was revoked meanwhile", () => {
    expect(overtaken({ revokedAt: T0 }, PREVIOUS, 0).kind).toBe("ended");
  });
});

describe("a session cookie", () => {
  const SECRET = digestOf("secret");
  const session = sessionRow({ secret: SECRET, previousSecret: PREVIOUS, secretAt: T0 });
  const at = (secret: Uint8Array, now: number, fields = {}) =>
    decideSession({ ...session, ...fields }, secret, moment(now), t);

  test("with the current secret is live until either deadline has passed", () => {
    expect(at(SECRET, 0)).toBe("live");
    expect(at(SECRET, 10, { idleDeadline: T0 + 10 })).toBe("live");
    expect(at(SECRET, 11, { idleDeadline: T0 + 10 })).toBe("dead");
    expect(at(SECRET, 11, { absoluteDeadline: T0 + 10 })).toBe("dead");
  });

  test("with the rotated secret is served while requests may be on their way", () => {
    expect(at(PREVIOUS, t.grace)).toBe("previous");
    expect(at(PREVIOUS, t.grace + 1)).toBe("dead");
  });

  test("with a secret that a sign-in replaced gets nothing", () => {
    expect(at(OLD, t.grace)).toBe("replaced");
    expect(at(OLD, t.grace + 1)).toBe("dead");
    expect(decideSession(undefined, SECRET, moment(0), t)).toBe("dead");
  });

  test("from a clock that is ahead is refused", () => {
    expect(at(SECRET, -t.skew - 1)).toBe("future");
  });
});

test("a token is confirmed strictly after its time", () => {
  const session = sessionRow({ confirmFrom: T0 });
  expect(mayConfirm(session, T0)).toBe(false);
  expect(mayConfirm(session, T0 + 1)).toBe(true);
  expect(mayConfirm(sessionRow(), T0 + 1)).toBe(false);
});

test("a session whose secret was exchanged a moment ago keeps it", () => {
  const session = sessionRow({ secretAt: T0 });
  for (const kind of ["rotate", "recover"] as const) {
    expect(withoutOverwriting({ kind }, session, T0 + t.grace, t).kind).toBe("accept");
    expect(withoutOverwriting({ kind }, session, T0 + t.grace + 1, t).kind).toBe(kind);
    expect(withoutOverwriting({ kind }, undefined, T0, t).kind).toBe(kind);
  }
  for (const kind of ["theft", "converge", "accept"]) {
    expect(withoutOverwriting({ kind }, session, T0, t).kind).toBe(kind);
  }
});

test("another token of the row's own generation is a split store, not a theft", () => {
  const row = rememberedRow({ generation: 3 });
  const presented = { generation: 3, token: digestOf("the other side's") };
  const now = { now: T0, arrivedAt: T0 };
  expect(decideRemember(row, presented, now, t).kind).toBe("forked");
});
