import { ELSEWHERE, type Mutant } from "./mutant.ts";
import { edges } from "./mutants-of-edges.ts";

const decide = "protocol/decide.ts";
const times = "protocol/times.ts";
const saving = "request/plan/save.ts";
const restoring = "request/plan/remembered.ts";
const signing = "request/plan/sign.ts";
const commit = "request/commit.ts";
const standing = "request/standing.ts";
const open = "request/open.ts";
const changes = "stores/kit/apply.ts";

export const mutants: readonly Mutant[] = [
  {
    name: "strict rotation: the previous token alarms at once",
    file: decide,
    find: "if (sameDigest(presented.token, row.previous)) {",
    replace: "if (false) {",
  },
  {
    name: "a time window alone: after it the previous token alarms",
    file: decide,
    find: "return age <= times.mid ? ACCEPT : RECOVER;",
    replace: "return age <= times.mid ? ACCEPT : THEFT;",
  },
  {
    name: "the previous token is accepted for ever",
    file: decide,
    find: "return age <= times.mid ? ACCEPT : RECOVER;",
    replace: "return ACCEPT;",
    scene: ELSEWHERE,
  },
  {
    name: "the previous token is accepted although the current one is confirmed",
    file: decide,
    find: "    if (confirmedAt === undefined) {",
    replace: "    if (true) {",
  },
  {
    name: "superseded one tick early",
    file: decide,
    find: "return age <= times.mid ? ACCEPT : RECOVER;",
    replace: "return age < times.mid ? ACCEPT : RECOVER;",
    scene: "writers",
  },
  {
    name: "the current token rotates however young",
    file: decide,
    find: "return confirmedAt !== undefined || age > times.settle ? ROTATE : ACCEPT;",
    replace: "return ROTATE;",
    scene: "session cookies that survive a crash",
  },
  {
    name: "a superseded token alarms at once",
    file: decide,
    find: "arrivedAt - row.supersededAt <= times.flight &&",
    replace: "false &&",
    scene: "two tabs, closing and crashing",
  },
  {
    name: "confirmed at first sight",
    file: decide,
    find: "session.confirmFrom !== undefined && openedAt > session.confirmFrom",
    replace: "session.confirmFrom !== undefined",
  },
  {
    name: "confirmed one tick early",
    file: decide,
    find: "openedAt > session.confirmFrom",
    replace: "openedAt >= session.confirmFrom",
  },
  {
    name: "confirmed by when the handler ends",
    file: saving,
    find: "mayConfirm(row, arrivedAt)",
    replace: "mayConfirm(row, now)",
    scene: "two tabs, closing and crashing",
  },
  {
    name: "no compare-and-swap, neither on the generation nor on the session's version",
    file: changes,
    find: "login.generation !== guard.generation",
    replace: "false",
    also: [{ find: 'if (row.version !== update.version) return "stale";', replace: "" }],
  },
  {
    name: "no allowance for clocks that differ",
    file: times,
    find: "base.converge + base.delivery + base.transit + 2 * base.skew",
    replace: "base.converge + base.delivery + base.transit",
    scene: "servers whose clocks differ",
  },
  {
    name: "no grace for a replaced session secret",
    file: times,
    find: "grace: base.delivery + base.transit + base.skew",
    replace: "grace: -1",
    scene: "regenerating the secret",
  },
  {
    name: "a grace of one way only",
    file: times,
    find: "grace: base.delivery + base.transit + base.skew",
    replace: "grace: base.transit",
    scene: "confirming the password",
  },
  {
    name: "the session is not re-keyed by a restore",
    file: restoring,
    find: "    secret: digest(secret),\n    secretAt: now,\n    previousSecret: undefined,\n    retiredSecret: undefined,\n",
    replace: "",
  },
  {
    name: "the session of a superseded token is left alive",
    file: restoring,
    find: "    secret: digest(secret),\n    secretAt: now,\n    previousSecret: undefined,\n    retiredSecret: undefined,\n",
    replace: "    ...(effect === 'recover' ? {} : { secret: digest(secret), secretAt: now }),\n",
  },
  {
    name: "theft leaves the session alive",
    file: changes,
    find: "if (session !== undefined) work.dropSession(session);",
    replace: "if (session !== undefined && reason !== 'theft') work.dropSession(session);",
  },
  {
    name: "theft is reported, and nothing is ended",
    file: open,
    find: "const ended = await revoke(settings.store, {",
    replace: "const ended = ((_: unknown) => [{ rememberedId: login.id }])({",
  },
  {
    name: "a revocation is ignored",
    file: decide,
    find: "if (row.revokedAt !== undefined) {",
    replace: "if (false) {",
    scene: "signing in again",
  },
  {
    name: "a revoked login is answered as an unknown one",
    file: decide,
    find: 'return { kind: "ended", why: "revoked", clear: now - row.revokedAt > quiet };',
    replace: 'return { kind: "ended", why: "unknown", clear: true };',
    scene: "signing in again",
  },
  {
    name: "rotation moves the absolute deadline",
    file: restoring,
    find: "const rotation: Rotation = {",
    replace: "const rotation: any = {\n    absoluteDeadline: now + settings.remember.absolute,",
  },
  {
    name: "a generation ahead is taken for theft",
    file: decide,
    find: "return AHEAD;",
    replace: "return THEFT;",
    scene: "a store set back to a backup",
  },
  {
    name: "a request that loses the swap sends its own, older cookie",
    file: commit,
    find: "if (result.done) return followed(state, plan, result.ended);",
    replace:
      'if (result.done || result.conflict === "rotation") return followed(state, plan, "ended" in result ? result.ended : []);',
  },
  {
    name: "converging without looking at the clock again",
    file: restoring,
    find: 'if (effect !== "converge" || now - login.rotatedAt > times.converge) return undefined;',
    replace: 'if (effect !== "converge") return undefined;',
    scene: "two tabs, closing and crashing",
  },
  {
    name: "a rotation takes a session whose secret was exchanged just before it came",
    file: open,
    find: ": withoutOverwriting(decided, session, arrivedAt, times);",
    replace: ": decided;",
    scene: "confirming the password",
  },
  {
    name: "a rotation takes a session whose secret was exchanged while its handler ran",
    file: standing,
    find: "keptEffect(standing.effect, session, state.arrivedAt, times)",
    replace: "standing.effect",
    scene: "confirming the password",
  },
  {
    name: "… or while it ran, judged by when the handler ends",
    file: standing,
    find: "keptEffect(standing.effect, session, state.arrivedAt, times)",
    replace: "keptEffect(standing.effect, session, now, times)",
    scene: "confirming the password",
  },
  {
    name: "a confirmed password leads to a secret that the old token derives",
    file: restoring,
    find: 'const secret = raise ? newSecret() : derived(state, "session", presented.token, derivation);',
    replace: 'const secret = derived(state, "session", presented.token, derivation);',
    scene: "confirming the password",
  },
  {
    name: "logout leaves the remembered login",
    file: signing,
    find: "  return list;\n",
    replace: '  return reason === "logout" ? [] : list;\n',
    scene: "logging out",
  },
  {
    name: "a renewal in flight counts as a sign-in",
    file: standing,
    find: "  // Nor a renewal, which proves nothing: a row of its own would undo the revocation that took this one.\n",
    replace: `
  if (intent.kind === "renew" && row?.userId !== undefined) {
    const { userId, id } = row;
    const provedAt = core.settings.clock.now() + 1;
    const remember = { id: newSiblingId(id) };
    state.standing = { kind: "none" };
    state.intent = { kind: "login", level: "login", userId, provedAt, remember } as never;
    return;
  }
`,
    scene: "renewing after a changed password",
  },
  {
    name: "a save is not conditional on the version",
    file: changes,
    find: 'if (row.version !== update.version) return "stale";',
    replace: "",
  },
  ...edges,
];
