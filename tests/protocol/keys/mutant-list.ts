import type { Mutant } from "../mutant.ts";

const bound = "request/bound.ts";
const bind = "request/bind.ts";
const open = "request/open.ts";
const text = "protocol/bound.ts";
const confirming = "request/confirm-key.ts";
const saving = "request/plan/save.ts";
const signing = "request/plan/sign.ts";

const LOST = "pages, and a registration that may be lost";
const WAITING = "requests that wait while a key is registered";
const BEFORE = "a thief with the cookies of before the registration";
const REFRESHED = "refreshes whose answers are lost, to the end of the proof";
const COPIED = "a thief with all cookies";
const CLOCKS = "servers whose clocks differ, and a thief with all cookies";
const LATE = "servers whose clocks differ, and refreshes whose answers take their time";
const BESIDE = "a thief with a session of their own, and a copied remember cookie";
const ROW_LOST = "the session's row is lost, and a thief";
const HALF = "a sign-in that is begun and given up on a bound session";
const AWAY = "a remembered browser comes back, and a thief beside it";

/** Ways to get bound sessions wrong. */
export const mutants: readonly Mutant[] = [
  {
    name: "the long cookie alone is let in",
    file: bound,
    find: "bound !== undefined && bound.provedAt === undefined && !bound.isEarly;",
    replace: "bound !== undefined && false;",
    scene: COPIED,
  },
  {
    name: "a proof counts for ever",
    file: bound,
    find: "if (isInTime) latest",
    replace: "latest",
    scene: COPIED,
  },
  {
    name: "a proof of a server whose clock is ahead is believed no earlier than by that clock",
    file: bound,
    find: "arrivedAt <= until + times.skew && proof.at <= arrivedAt + times.skew + times.arrival;",
    replace: "arrivedAt <= until + times.skew && proof.at <= arrivedAt;",
    scene: CLOCKS,
  },
  {
    name: "by a server whose clock is ahead a proof ends before the browser's cookie does",
    file: bound,
    find: "arrivedAt <= until + times.skew &&",
    replace: "arrivedAt <= until &&",
    scene: LATE,
  },
  {
    name: "a remembered login is restored without its key",
    file: open,
    find: "const bound = await boundByLogin(core, facts, login, session, moment);\n      if (isUnproved(bound)) return unproved(core, facts, bound);",
    replace: "const bound = await boundByLogin(core, facts, login, session, moment);",
    scene: AWAY,
  },
  {
    name: "a key is asked of a browser that never got the answer to its registration",
    file: text,
    find: "isConfirmed: state !== UNCONFIRMED };",
    replace: "isConfirmed: state !== undefined || true };",
    scene: LOST,
  },
  {
    name: "requests that were on their way at the registration are refused",
    file: bound,
    find: "const isEarly = !bound.isConfirmed || arrivedAt <= bound.at + times.grace;",
    replace: "const isEarly = !bound.isConfirmed;",
    scene: WAITING,
  },
  {
    name: "requests without a proof are early for ever",
    file: bound,
    find: "const isEarly = !bound.isConfirmed || arrivedAt <= bound.at + times.grace;",
    replace: "const isEarly = !bound.isConfirmed || arrivedAt <= bound.at + 1e6;",
    scene: COPIED,
  },
  {
    name: "whoever has the cookie may register a key",
    file: bind,
    find: "if (!isOffer(read.challenge, { sessionId, fence }, moment, settings.keys)) return refuse();",
    replace: "",
    scene: BEFORE,
  },
  {
    name: "a save writes the row back as it was before the registration",
    file: saving,
    find: "...(raise ? raisedSession(state, raise, now) : {}),",
    replace: "...(raise ? raisedSession(state, raise, now) : {}),\n      bound: undefined,",
    scene: LOST,
  },
  {
    name: "the short cookie confirms nothing",
    file: confirming,
    find: "if (bound?.provedAt === undefined || bound.isConfirmed) return undefined;",
    replace: "return undefined;",
    scene: BEFORE,
  },
  {
    name: "a proof over an older challenge ends the session",
    file: bind,
    find: 'refused(state, "stale", bound);\n      return challenged(device, current);',
    replace: 'refused(state, "stale", bound);\n      return over(state, row.id);',
    scene: REFRESHED,
  },
  {
    name: "a refresh without a proof ends the session",
    file: bind,
    find: "if (proof === undefined) return challenged(device, row);",
    replace: "if (proof === undefined) return over(state, bound.id);",
    scene: REFRESHED,
  },
  {
    name: "a refresh gives no cookie",
    file: bind,
    find: "      prove(state, current, provedAt);\n",
    replace: "",
    scene: REFRESHED,
  },
  {
    name: "who signs in with a copied cookie ends its owner's login",
    file: signing,
    find: 'const isOthers = key !== "none" && isUnproved(key) && key.userId !== signingIn;',
    replace: "const isOthers = false;",
    scene: COPIED,
  },
  {
    name: "beside a session of one's own, a copied cookie that was not read ends its login",
    file: "request/commit.ts",
    find: "return endsUnreadLogin(state) ? readKeyOfLogin(state) : undefined;",
    replace: "return undefined;",
    scene: BESIDE,
  },
  {
    name: "the key's record does not say that the browser has its short cookie",
    file: confirming,
    find: "if (row.rememberedId !== undefined) await confirmRecord(store, id);",
    replace: "",
    scene: ROW_LOST,
  },
  {
    name: "only the key of the session at hand can be proved",
    file: bind,
    find: 'if (state.keyOfLogin === undefined) await readKeyOfLogin(state);\n  const other = state.keyOfLogin === "none" ? undefined : state.keyOfLogin;',
    replace: "const other = undefined as BoundStanding | undefined;",
    scene: HALF,
  },
];
