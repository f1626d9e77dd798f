import type { Mutant } from "../mutant.ts";

const begin = "request/begin.ts";
const intents = "request/intents.ts";
const open = "request/open.ts";
const standing = "request/standing.ts";
const trust = "request/trust.ts";
const record = "request/trust-record.ts";
const commit = "request/commit.ts";
const saving = "request/plan/save.ts";
const signing = "request/plan/sign.ts";
const restoring = "request/plan/remembered.ts";
const renewing = "request/plan/renew.ts";
const pending = "protocol/pending.ts";
const devices = "account/devices.ts";
const service = "psession.ts";
const impersonating = "request/impersonation.ts";
const erasing = "account/erasure.ts";
const erasure = "stores/erasure.ts";
const kit = "stores/kit/index.ts";
const trail = "stores/kit/trail.ts";

const PLANTED = "both steps, and a cookie that was planted";
const UNDER_WAY = "a first step, and a sign-in under way on a planted session";
const TWICE = "two second steps at once, and a thief of the first cookie";
const MARKED = "both steps while the password is changed";
const REMEMBERED = "a remembered visitor who begins, for a long time";
const REVOKED = "trust while its device is revoked";
const COPIED = "a trust cookie that was copied";
const STOLEN = "a theft, and trust";
const LIVES = "extending and polling, to the end of a session";
const ACTING_TO_ITS_END = "acting as a customer, and stopping, to its end";
const REPLACED_HOST = "an impersonation that begins while its administrator's secret is replaced";
const HANDLES = "handles through renewals";
const ERASED_SIGN_INS = "sign-ins on the way while their user is erased";
const ERASED_USES = "saves, uses and returns on the way while their user is erased";
const ERASED_ACTING = "acting as a customer while either is erased";
const ERASED_TRAIL = "what is noted in the audit trail while its user is erased";
const ERASED_ACTOR = "what is noted in a customer's trail while who acts is erased";

/** Ways to get the moves around a sign-in wrong. */
export const mutants: readonly Mutant[] = [
  {
    name: "a first step signs its user in",
    file: signing,
    find: "identity: { ...ANONYMOUS, confirmFrom: undefined },\n      pending,",
    replace:
      'identity: { ...ANONYMOUS, userId: pending.pendingUserId, level: "login", confirmFrom: undefined },\n      pending,',
    scene: PLANTED,
  },
  {
    name: "a first step keeps the secret of before valid",
    file: signing,
    find: "const update = base && { id, version: base.version, owner: undefined, set };",
    replace:
      "const update = base && { id, version: base.version, owner: undefined, set: { ...set, previousSecret: base.secret } };",
    scene: PLANTED,
  },
  {
    name: "a first step does not raise the fence",
    file: signing,
    find: "      pending,\n      facts: state.facts,\n      fence: base === undefined ? undefined : base.fence + 1,",
    replace: "      pending,\n      facts: state.facts,\n      fence: base?.fence,",
    scene: PLANTED,
  },
  {
    name: "who waits for the second step is let in by the remember cookie",
    file: open,
    find: "(found && pendingOf(found, openedAt)) !== undefined",
    replace: "false",
    scene: REMEMBERED,
  },
  {
    name: "a first step waits for ever",
    file: pending,
    find: "if (!(now < end)) return undefined;",
    replace: "",
    scene: REMEMBERED,
  },
  {
    name: "a second step is over one tick early",
    file: pending,
    find: "if (!(now < end)) return undefined;",
    replace: "if (!(now + 1 < end)) return undefined;",
    scene: REMEMBERED,
  },
  {
    name: "a second step may be taken twice",
    file: standing,
    find: 'isSignIn(intent) && !(intent.kind === "login" && intent.completes);',
    replace: "isSignIn(intent);",
    also: [
      {
        find: '  if (row.userId !== before.userId) return lose(state, before, "taken_over");\n',
        replace: "",
      },
    ],
    scene: TWICE,
  },
  {
    name: "a second step whose first step is gone gets a session of its own",
    file: standing,
    find: '  if (intent.kind === "login" && intent.completes) throw nothingPending();\n',
    replace: "",
    scene: TWICE,
  },
  {
    name: "a second step counts as proved when it was taken",
    file: intents,
    find: "const firstAt = Math.min(provedAt, begun?.provedAt ?? provedAt);",
    replace: "const firstAt = provedAt;",
    scene: MARKED,
  },
  {
    name: "every sign-in counts as the second step of what waits",
    file: intents,
    find: "    await prepareLogin(state, userId, options, provedAt, begun);",
    replace:
      '    const waits = (await import("./state.ts")).waitingOf(state);\n    await prepareLogin(state, userId, options, provedAt, begun ?? waits);',
    scene: MARKED,
  },
  {
    name: "a sign-in that was under way takes over what waits on the session",
    file: standing,
    find: "(!mayFollow(intent) || row.pendingUserId !== undefined)",
    replace: "!mayFollow(intent)",
    scene: UNDER_WAY,
  },
  {
    name: "a first step ends the remembered login",
    file: signing,
    find: 'change: { kind: "signIn", proof, ...(update === undefined ? { insert: fresh } : { update }) },',
    replace:
      'change: { kind: "signIn", proof, ...(update === undefined ? { insert: fresh } : { update }), end: endings(state, "replaced", now, undefined, pending.pendingUserId) },',
    scene: REMEMBERED,
  },
  {
    name: "a first step clears the remember cookie",
    file: signing,
    find: '    cookies: [sessionCookie(state, id, secret)],\n    events: [\n      ...(base === undefined ? [event("created", { at: now, sessionId: id, userId: undefined })] : []),',
    replace:
      '    cookies: [sessionCookie(state, id, secret), clearCookie(state.core.settings.cookies.remember)],\n    events: [\n      ...(base === undefined ? [event("created", { at: now, sessionId: id, userId: undefined })] : []),',
    scene: REMEMBERED,
  },
  {
    name: "a first step is not compared with the marks of its user",
    file: signing,
    find: 'change: { kind: "signIn", proof, ...(update',
    replace: 'change: { kind: "signIn", ...(update',
    scene: MARKED,
  },
  {
    name: "an impersonation is not compared with the marks of who acts",
    file: impersonating,
    find: "[userId, actorId].map((one) =>",
    replace: "[userId].map((one) =>",
    scene: "acting as a customer while either is revoked",
  },
  {
    name: "trust is not compared with the marks of its user",
    file: trust,
    find: 'store.apply({ kind: "signIn", proof, insert: row,',
    replace: 'store.apply({ kind: "signIn", insert: row,',
    scene: "trust while a factor is changed",
  },
  {
    name: "trust is not looked at again after it was stored",
    file: trust,
    find: "if (!(await isAlive(state))) {",
    replace: "if (false) {",
    scene: REVOKED,
  },
  {
    name: "trust is stored before the sign-in that it comes with",
    file: trust,
    find: '  if (state.intent.kind === "login") await save(state);\n',
    replace: "",
    scene: "trust while a factor is changed",
  },
  {
    name: "trust stays where its device is revoked",
    file: devices,
    find: "  if (userId !== undefined) await endTrust(core, userId, reason, handles, request);\n",
    replace: "",
    scene: REVOKED,
  },
  {
    name: "trust stays with a theft",
    file: open,
    find: '  await endTrust(core, login.userId, "theft");\n  const whom',
    replace: "  const whom",
    also: [
      { find: '  await endTrust(core, login.userId, "theft");\n  // Of several', replace: "  // Of several" },
    ],
    scene: STOLEN,
  },
  {
    name: "trust that comes while a theft is noticed stays",
    file: open,
    find: '  await endTrust(core, login.userId, "theft");\n  // Of several',
    replace: "  // Of several",
    scene: STOLEN,
  },
  {
    name: "trust says yes to any user",
    file: record,
    find: "return trust.userId === userId && isAlive ? trust : undefined;",
    replace: "return isAlive ? trust : undefined;",
    scene: COPIED,
  },
  {
    name: "trust has no end",
    file: record,
    find: "const isAlive = settings.clock.now() <= trust.absoluteDeadline;",
    replace: "const isAlive = true;",
    scene: "trust until its end",
  },
  {
    name: "a changed factor leaves the trust in the browser that stays",
    file: service,
    find: 'const keepsTrust = kept !== undefined && factor === "password";',
    replace: "const keepsTrust = kept !== undefined;",
    scene: COPIED,
  },
  {
    name: "trusting again leaves the record of before",
    file: trust,
    find: "insert: row, ...(end && { end }) });",
    replace: "insert: row });",
    scene: COPIED,
  },
  {
    name: "a poll counts as a use where it saves",
    file: saving,
    find: '    state.use === "none"\n      ? undefined\n      : {',
    replace: "    false\n      ? undefined\n      : {",
    scene: LIVES,
  },
  {
    name: "a poll of a remembered user counts as a use where it saves",
    file: restoring,
    find: 'const isUse = state.use !== "none" || raise !== undefined;',
    replace: "const isUse = true;",
    scene: LIVES,
  },
  {
    name: "a poll restores a remembered user",
    file: restoring,
    find: '(state.use !== "none" || raiseOf(state.intent) !== undefined)',
    replace: "true",
    scene: LIVES,
  },
  {
    name: "an extension revives a session that ended while its handler ran",
    file: saving,
    find: "idleDeadline: isPast(row, now) ? row.idleDeadline : now + settings.session.idle,",
    replace: "idleDeadline: now + settings.session.idle,",
    scene: LIVES,
  },
  {
    name: "a remembered login comes back that ended while its handler ran",
    file: commit,
    find: "      ? standing.login\n",
    replace: "      ? undefined\n",
    scene: LIVES,
  },
  {
    name: "an extension is no use",
    file: saving,
    find: 'state.use === "extends");',
    replace: "false);",
    scene: LIVES,
  },
  {
    name: "a renewed login has a handle of its own",
    file: renewing,
    find: "  const device = { ...before, handle: handleOfLogin(before) };\n",
    replace: "  const device = { ...before, handle: undefined };\n",
    scene: HANDLES,
  },
  {
    name: "the session of a renewed login has a handle of its own",
    file: renewing,
    find: "{ rememberedId, confirmFrom, handle: handleOf(row) }",
    replace: "{ rememberedId, confirmFrom }",
    scene: HANDLES,
  },
  {
    name: "a renewed device does not end by its handle",
    file: devices,
    find: "    if (handle !== undefined) ended = await revokeSome(core, { ...whom, handle }, reason, { request });\n",
    replace: "",
    scene: HANDLES,
  },
  {
    name: "a sign-in takes the handle of the one before it",
    file: signing,
    find: "return { handle: undefined, name: own?.name, tag: intent.tag };",
    replace: 'return { handle: "one", name: own?.name, tag: intent.tag };',
    scene: HANDLES,
  },
  {
    name: "the second step forgets what the first one proved",
    file: begin,
    find: "return login(state, pending.userId, options, pending);",
    replace: "return login(state, pending.userId, options);",
    scene: MARKED,
  },
  {
    name: "an impersonation goes on in a session whose secret was replaced",
    file: "request/acting.ts",
    find: "row.id === sessionId && row.fence === fence &&",
    replace: "row.id === sessionId && row.fence >= fence &&",
    scene: REPLACED_HOST,
  },
  {
    name: "an impersonation lasts as long as its administrator's session",
    file: impersonating,
    find: "notAfter: Math.min(until, host.absoluteDeadline)",
    replace: "notAfter: host.absoluteDeadline",
    scene: ACTING_TO_ITS_END,
  },
  {
    name: "an impersonation that was stopped goes on for a copy of its cookie",
    file: impersonating,
    find: 'const result = await settings.store.apply({ kind: "end", end });',
    replace: "const result = { done: true, ended: [{}] };",
    scene: ACTING_TO_ITS_END,
  },
  {
    name: "an erasure sets no mark",
    file: kit,
    find: "      yield* marked(work, mark);\n      const { sessions, logins }",
    replace: "      const { sessions, logins }",
    scene: ERASED_SIGN_INS,
  },
  {
    name: "an erasure is dated a moment early",
    file: erasing,
    find: "const at = now + times.skew;",
    replace: "const at = now + times.skew - 1;",
    scene: ERASED_SIGN_INS,
  },
  {
    name: "a sign-in that begins outlives the erasure of its user",
    file: erasure,
    find: "(row.pendingUserId === userId || row.actorUserId === userId)",
    replace: "row.actorUserId === userId",
    scene: ERASED_SIGN_INS,
  },
  {
    name: "a session in which an erased administrator acts outlives the erasure",
    file: erasure,
    find: "(row.pendingUserId === userId || row.actorUserId === userId)",
    replace: "row.pendingUserId === userId",
    scene: ERASED_ACTING,
  },
  {
    name: "an erasure leaves tombstones",
    file: kit,
    find: "logins: logins.filter(isOwn) };",
    replace: "logins: logins.filter((login) => isOwn(login) && login.revokedAt === undefined) };",
    scene: ERASED_USES,
  },
  {
    name: "an erasure leaves trust",
    file: kit,
    find: "const erased = { sessions: sessions.filter(isOwn),",
    replace: 'const erased = { sessions: sessions.filter((row) => isOwn(row) && row.level !== "trust"),',
    scene: "trust while its user is erased",
  },
  {
    name: "an erasure takes the administrator along who acts as its user",
    file: kit,
    find: "      for (const session of erased.sessions) work.dropSession(session);\n",
    replace:
      "      for (const session of erased.sessions) {\n        const host = yield* work.deviceOfSession((session.actor ?? '').split(';')[0] ?? '');\n        if (host?.session !== undefined) work.dropSession(host.session);\n        work.dropSession(session);\n      }\n",
    scene: ERASED_ACTING,
  },
  {
    name: "a save brings back a row that was erased meanwhile",
    file: "stores/kit/apply.ts",
    find: '    if (row === undefined) return "missing";\n    if (row.version',
    replace: "    if (row === undefined) return undefined;\n    if (row.version",
    also: [
      {
        find: "    if (row !== undefined) work.putSession({ ...row, ...update.set, version: update.version + 1 }, row);",
        replace:
          "    work.putSession({ ...row, ...update.set, userId: update.owner, version: update.version + 1, id: update.id } as never, row);",
      },
    ],
    scene: ERASED_USES,
  },
  {
    name: "an entry that comes late is not compared with the erasure of its user",
    file: erasure,
    find: "  if (isGone(userId)) return undefined;\n",
    replace: "",
    scene: ERASED_TRAIL,
  },
  {
    name: "an entry that comes late is not compared with the erasure of who acted",
    file: erasure,
    find: "  return isGone(actorId) ? withoutActor(entry, NOBODY) : entry;",
    replace: "  return entry;",
    scene: ERASED_ACTOR,
  },
  {
    name: "an entry of another user is dropped where who acted was erased",
    file: erasure,
    find: "  return isGone(actorId) ? withoutActor(entry, NOBODY) : entry;",
    replace: "  return isGone(actorId) ? undefined : entry;",
    scene: ERASED_ACTOR,
  },
  {
    name: "the trail is marked after its entries were erased",
    file: trail,
    find: "      await run((work) => marked(work, { name: erasureName(userId, realm), at, until }));\n",
    replace: "",
    also: [
      {
        find: "      return count;\n    },\n\n    forgetAddresses",
        replace:
          "      await run((work) => marked(work, { name: erasureName(userId, realm), at, until }));\n      return count;\n    },\n\n    forgetAddresses",
      },
    ],
    scene: ERASED_TRAIL,
  },
  {
    name: "entries of other users go on to say that an erased one acted",
    file: trail,
    find: "for (const prefix of [trailPrefix(userId), actorPrefix(userId)]) {",
    replace: "for (const prefix of [trailPrefix(userId)]) {",
    scene: ERASED_ACTOR,
  },
  {
    name: "an erasure deletes what was done to others",
    file: erasure,
    find: "  if (entry.userId !== userId) return withoutActor(entry, pseudonym);\n",
    replace: "",
    scene: ERASED_ACTOR,
  },
  {
    name: "a sign-out is noted although nothing was left to end",
    file: commit,
    find: 'if (type !== "logout" || ended.length > 0)',
    replace: "if (true)",
    scene: ERASED_TRAIL,
  },
  {
    name: "an end of acting as another user is noted although nothing was left to end",
    file: impersonating,
    find: "of result.ended) {",
    replace: "of [{ sessionId: id, userId }]) {",
    scene: ERASED_ACTOR,
  },
  {
    name: "an end of trust is noted although nothing was left to end",
    file: trust,
    find: "  if (!result.done || result.ended.length === 0) return false;\n",
    replace: "",
    scene: ERASED_TRAIL,
  },
];
