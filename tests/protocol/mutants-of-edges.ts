import type { Mutant } from "./mutant.ts";

const decide = "protocol/decide.ts";
const arrival = "request/arrival.ts";
const open = "request/open.ts";
const standing = "request/standing.ts";
const limits = "request/limits.ts";
const parts = "request/plan/parts.ts";
const restoring = "request/plan/remembered.ts";
const renewing = "request/plan/renew.ts";
const signing = "request/plan/sign.ts";
const changes = "stores/kit/apply.ts";
const endings = "stores/endings.ts";
const cookies = "http/cookies.ts";

const REPLACING = "writing and leaving while a secret is replaced";
const MARKING = "proofs from before a mark";
const HELD_BACK = "requests that were held back";
const TOSSED = "cookies that a subdomain tosses in";
const BODIES = "bodies that take long";
const LAGGING = "a replica that is behind";

/** What the first rules did not think of: other sites, slow bodies, replicas, marks, and what replaces a secret. */
export const edges: readonly Mutant[] = [
  {
    name: "the fence is not compared",
    file: standing,
    find: "before !== undefined && row !== undefined && before.fence !== row.fence",
    replace: "false",
    scene: REPLACING,
  },
  {
    name: "a confirmed password raises no fence",
    file: parts,
    find: "fence: row.fence + 1,",
    replace: "fence: row.fence,",
    scene: REPLACING,
  },
  {
    name: "a secret that was replaced is served like one that was rotated away",
    file: decide,
    find: "const isPrevious = sameDigest(presented, row.previousSecret);",
    replace:
      "const isPrevious = sameDigest(presented, row.previousSecret) || sameDigest(presented, row.retiredSecret);",
    scene: REPLACING,
  },
  {
    name: "a replaced secret may leave for ever",
    file: decide,
    find: 'if (!isInGrace) return "dead";',
    replace: 'if (!isInGrace) return sameDigest(presented, row.retiredSecret) ? "retired" : "dead";',
    scene: "a thief who renews",
  },
  {
    name: "a replaced secret may not leave",
    file: parts,
    find: "retiredSecret: row.secret,",
    replace: "retiredSecret: undefined,",
    scene: REPLACING,
  },
  {
    name: "a secret from before a sign-in may leave",
    file: signing,
    find: "set: isSameUser ? set : { ...set, name } };",
    replace: "set: { ...(isSameUser ? set : { ...set, name }), retiredSecret: base.secret } };",
    scene: "leaving while the browser signs in anew",
  },
  {
    name: "a user who signs out while the browser comes back stays signed in",
    file: signing,
    find: "const isNamed = leaving?.secret === undefined;",
    replace: "const isNamed = true;",
    scene: "logging out",
  },
  {
    name: "a discarded change is not reported",
    file: standing,
    find: "  if (!hasChanges) return;\n",
    replace: "  if (hasChanges || !hasChanges) return;\n",
    scene: REPLACING,
  },
  {
    name: "marks are not compared",
    file: changes,
    find: 'if (proof !== undefined && (yield* isOutdated(work, proof))) return "outdated";',
    replace: "",
    scene: MARKING,
  },
  {
    name: "a proof of the very moment of a mark counts",
    file: changes,
    find: "mark.at >= provedAt",
    replace: "mark.at > provedAt",
    scene: MARKING,
  },
  {
    name: "a confirmed password is not held to marks",
    file: "request/plan/save.ts",
    find: "...(raise === undefined || row.userId === undefined",
    replace: "...(raise === undefined || raise !== undefined",
    scene: "confirming a password while it is changed",
  },
  {
    name: "a user who changes a password may not sign in after it",
    file: parts,
    find: "provedAt: afterOwnMarks(state.request, marks, provedAt),",
    replace: "provedAt,",
    scene: MARKING,
  },
  {
    name: "a proof counts from when its handler ends",
    file: parts,
    find: "provedAt: afterOwnMarks(state.request, marks, provedAt),",
    replace: "provedAt: clock.now() + 1,",
    scene: MARKING,
  },
  {
    name: "a renewal begins a session's deadlines anew",
    file: renewing,
    find: "...(isRestored ? sessionDeadlines(now, settings, before?.absoluteDeadline) : {}),",
    replace: "...sessionDeadlines(now, settings, before?.absoluteDeadline),",
    scene: REPLACING,
  },
  {
    name: "a renewal begins a login's deadlines anew",
    file: renewing,
    find: "return { ...fresh, createdAt, absoluteDeadline, ...unused };",
    replace: "return fresh;",
    scene: REPLACING,
  },
  {
    name: "a renewal gives a login a successor without its token",
    file: renewing,
    find: "return holds ? row : undefined;",
    replace: "return row;",
    scene: "a thief who renews",
  },
  {
    name: "a restored session outlives its login",
    file: restoring,
    find: "...sessionDeadlines(now, settings, login.absoluteDeadline),",
    replace: "...sessionDeadlines(now, settings),",
  },
  {
    name: "an arrival is trusted however far back",
    file: arrival,
    find: "Math.max(now - arrival, arrivedAt)",
    replace: "arrivedAt",
    scene: "a thief who says when it came",
  },
  {
    name: "an arrival in the future is trusted",
    file: arrival,
    find: "Math.min(now, Math.max(now - arrival, arrivedAt))",
    replace: "Math.max(now - arrival, arrivedAt)",
    scene: "a thief who says when it came",
  },
  {
    name: "a claimed arrival converges, and is given cookies",
    file: decide,
    find: "if (now - row.rotatedAt <= times.converge) return CONVERGE;",
    replace: "if (age <= times.converge) return CONVERGE;",
    also: [
      {
        file: restoring,
        find: 'if (effect !== "converge" || now - login.rotatedAt > times.converge) return undefined;',
        replace: 'if (effect !== "converge") return undefined;',
      },
    ],
    scene: "a thief who says when it came",
  },
  {
    name: "a body makes its cookies older",
    file: decide,
    find: "const age = arrivedAt - row.rotatedAt;",
    replace: "const age = now - row.rotatedAt;",
    scene: BODIES,
  },
  {
    name: "a token is theft although its head arrived before the confirmation",
    file: decide,
    find: "if (arrivedAt <= confirmedAt && age <= times.mid) return ACCEPT;",
    replace: "",
    scene: BODIES,
  },
  {
    name: "the other token of a split store is taken for theft",
    file: decide,
    find: "return FORKED;",
    replace: "return THEFT;",
    scene: "a store that was split",
  },
  {
    name: "a row that a cookie proves to be stale is left",
    file: open,
    find: "return (await endMisfit(core, decision.kind, found, cookie, now))",
    replace: "return true",
    scene: "a store set back to a backup, and a thief",
  },
  {
    name: "a read that was behind ends a login",
    file: endings,
    find: "(misfit === undefined || isMisfit(login, misfit))",
    replace: "true",
    scene: LAGGING,
  },
  {
    name: "a read that was behind clears a cookie",
    file: open,
    find: ': { standing: { kind: "detached", why: "ended" }, outcome: decision.kind };',
    replace: ": none(decision.kind, true);",
    scene: LAGGING,
  },
  {
    name: "a sign-in without the tick leaves the remember cookie alone",
    file: signing,
    find: 'isTakenOver !== true || rememberCookie.kind !== "absent"',
    replace: 'isTakenOver !== true && rememberCookie.kind !== "absent"',
    scene: "callbacks of another site",
  },
  {
    name: "a visitor whose cookies were withheld is given a session",
    file: open,
    find: 'return !hasSession && (!safe || (sameSite === "strict" && navigation));',
    replace: "return false;",
    scene: "callbacks of another site",
  },
  {
    name: "another site signs a user out",
    file: signing,
    find: ' && why !== "cross_site"',
    replace: "",
    scene: "callbacks of another site",
  },
  {
    name: "a save reaches the session of a user who signed in meanwhile",
    file: standing,
    find: 'if (row.userId !== before.userId) return lose(state, before, "taken_over");',
    replace: "",
    also: [
      { find: "before !== undefined && row !== undefined && before.fence !== row.fence", replace: "false" },
      {
        find: 'if (row.rememberedId !== before.rememberedId) return lose(state, before, "taken_over");',
        replace: "",
      },
    ],
    scene: "another user in the same browser",
  },
  {
    name: "what was held back is theft",
    file: open,
    find: "if (mayBeStray(login, presented, now, times) &&",
    replace: "if (false &&",
    scene: HELD_BACK,
  },
  {
    name: "what was held back clears the newer cookie",
    file: open,
    find: 'return { standing: { kind: "detached", why: "stray" }, outcome: "stray" };',
    replace: 'return none("stray", true);',
    scene: HELD_BACK,
  },
  {
    name: "a request may be held back anywhere",
    file: open,
    find: "    session.address === address &&\n    session.userAgent === userAgent;",
    replace: "    true;",
    scene: "requests that were held back, and a thief",
  },
  {
    name: "a request that was held back takes the session that a password has raised",
    file: open,
    find: "const decision = isHeldBack(session, outdatedRow, now, core)",
    replace: "const decision = false",
    scene: "requests that were held back while a password is confirmed",
  },
  {
    name: "the first of several cookies counts",
    file: cookies,
    find: "if (found !== undefined) return undefined;",
    replace: "if (found !== undefined) return found;",
    scene: TOSSED,
  },
  {
    name: "of several cookies none counts",
    file: cookies,
    find: "if (values.length === 0)",
    replace:
      'if (values.length > 1) return { kind: "duplicate", looksRight: true };\n  if (values.length === 0)',
    scene: TOSSED,
  },
  {
    name: "several cookies are cleared",
    file: open,
    find: "return cookie.looksRight ? [] : [clearCookie(definition)];",
    replace: "return [clearCookie(definition)];",
    scene: TOSSED,
  },
  {
    name: "today's limits do not hold for sessions of before",
    file: limits,
    find: "Math.min(row.absoluteDeadline, row.beganAt + absolute)",
    replace: "row.absoluteDeadline",
    scene: "a policy that became shorter",
  },
  {
    name: "today's limits do not hold for logins of before",
    file: limits,
    find: "Math.min(row.absoluteDeadline, row.createdAt + absolute)",
    replace: "row.absoluteDeadline",
    scene: "a policy that became shorter",
  },
];
