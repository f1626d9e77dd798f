// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they stand in templates of the sources.
/** One way to get the interface of stores wrong: `find` stands in `file`, below src, exactly once. */
export interface StoreMutant {
  readonly name: string;
  readonly store: "memory" | "sqlite" | "postgres";
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Where one change alone would be made good by another part. */
  readonly also?: readonly { readonly find: string; readonly replace: string }[];
  /** The case of the contract that is meant to notice. */
  readonly noticedBy: string;
}

const NEW_LOGIN = "a new login never replaces one, revoked or not";
const TAKEN_LOGIN = "an update takes no login that another session has";
const SPARED = "an ending spares what the change has written, with its login, and reports none of it";
const BOTH_ENDS = "a change that ends a session ends its login, and one that ends a login its session";
const TWO_DEVICES =
  "an ending of a session and of another device's login ends both, each on its own conditions";
const WHOSE = "a change ends a session only while it is the user's that it was";
const ANYBODY = "a handle ends a device whosever it is, where no user is named";
const TOUCHED = "a touch sets times as they are given; only a session's time to be pruned takes the larger";
const UNTOUCHED = "a touch leaves a tombstone alone, and uses a login whose session is gone";
const USED = "a save's use of a login sets its times, and leaves a tombstone alone";
const FREED = "a login whose session was pruned gets another one";
const COUNTED = "a cap counts a device while its session or its login is alive, at its very deadline too";
const OLDEST = "the later use of its session and its login decides which device was not used for longest";
const REFUSED = "a user id of another kind, or that no store keeps, is refused and not converted";
const ALIKE = "users with similar ids do not get in each other's way";
const LOCK_NAMES = "names of locks are compared exactly, and locks of other names are not in the way";
const FENCES = "fences grow by name, and are never below the time of the taking";
const PAGES = "browsing gives every device once, whatever the size of pages";
const TOGETHER = "browsing gives what lies together once as well, and no page is larger for anything else";
const REPORT = "a store reports its clock, version, rows, and when they were pruned";
const FULL = "every field comes back as the one that it was, of sessions and of logins";
const EXACT = "ids are compared exactly, capital letters too";
const NAMED = "an update sets every field that it names, and no other";
const NOTHING = "a change of nothing at all is done";
const ENDS_NOTHING = "a change with a conflict ends nothing";
const HELD = "hold lets a change through only while the login is as it was";
const LONGER = "of two touches of a session that come together the longer life counts";
const CONFIRMED = "what is confirmed is one login, and its session alone";
const RUNNING = "pruning leaves a lock alone that still runs";
const CLAIMS = "one caller per interval prunes";
const BEFORE = "what was last used before a moment ends also where a user or a handle is named";
const TAG_IN_REALM = "a cap of a tag counts and ends devices of its realm only";
const WHOSE_TAG = "a device is of its session's tag, and of its login's only where it has no session";
const EACH_ENDING = "of several endings each has its own reason, moment and time to be pruned";
const BY_TOKEN = "a change ends another login only by a token that is or was just valid";
const TRUST =
  "what ends is reported as trust in a browser where it was that: by user, by handle, in a change, with everyone";
const AUDIT = "an audit trail distinguishes users whose ids are alike";
const ERASED = "an erasure deletes every row that names a user, tombstones too, and nothing else";
const PROVED = "what was proved before an erasure makes no row of the user, and nothing else does";
const IN_REALM = "an erasure in a realm leaves what a user of the same id has in another";
const UNREAD = "addresses of sessions that were not used for long are forgotten, page by page";
const NO_ENTRIES = "an erasure deletes a user's audit entries, and others no longer say who acted";
const PSEUDONYM = "with a pseudonym a user's audit entries keep event and time, and belong together";
const LATE = "an audit entry that comes after its user was erased is left out, unless it is newer";
const TRAIL_IN_REALM = "an erasure leaves audit entries of a user of the same id in another realm";
const ERASED_UNTIL =
  "pruning forgets when a user was erased from the trail when its time is over, and no earlier";
const OLD_ENTRIES = "addresses of old audit entries are forgotten, page by page";

const kit = { store: "memory", file: "stores/kit/index.ts" } as const;
const changes = { store: "memory", file: "stores/kit/apply.ts" } as const;
const keys = { store: "memory", file: "stores/kit/keys.ts" } as const;
const pages = { store: "memory", file: "stores/kit/browse.ts" } as const;
const conditions = { store: "memory", file: "stores/endings.ts" } as const;
const devices = { store: "memory", file: "stores/devices.ts" } as const;
const sqlite = { store: "sqlite", file: "stores/sql/statements.ts" } as const;
const postgres = { store: "postgres", file: "stores/sql/statements.ts" } as const;
const touch = { store: "postgres", file: "stores/sql/dialects/postgres-touch.ts" } as const;
const atOnce = { store: "postgres", file: "stores/sql/dialects/postgres-apply.ts" } as const;
const ending = { file: "stores/sql/programs/end.ts" } as const;
const applying = { file: "stores/sql/programs/apply.ts" } as const;
const keeping = { file: "stores/sql/programs/keep-house.ts" } as const;

export const storeMutants: readonly StoreMutant[] = [
  // What exists.
  {
    name: "a new login replaces one",
    ...changes,
    find: 'if (remember !== undefined && (yield* work.login(remember.id)) !== undefined) return "exists";',
    replace: "",
    noticedBy: NEW_LOGIN,
  },
  {
    name: "inserts replace",
    ...sqlite,
    find: "`INSERT INTO ${qualified(this.dialect, table)}",
    replace: "`INSERT OR REPLACE INTO ${qualified(this.dialect, table)}",
    noticedBy: NEW_LOGIN,
  },
  {
    name: "inserts over existing rows are skipped",
    ...atOnce,
    find: '`${insertSelect(statements, table)} FROM "#ok"`',
    replace: '`${insertSelect(statements, table)} FROM "#ok" ON CONFLICT DO NOTHING`',
    noticedBy: NEW_LOGIN,
  },
  {
    name: "an update takes another session's login",
    ...changes,
    find: 'if (owner !== undefined && owner !== update.id) return "exists";',
    replace: "",
    noticedBy: TAKEN_LOGIN,
  },
  {
    name: "a login that is taken is reported as a stale version",
    store: "sqlite",
    ...applying,
    find: 'if (isFault(error, "unique")) throw new ConditionFailed("exists");',
    replace: 'if (isFault(error, "unique")) throw new ConditionFailed("stale");',
    noticedBy: TAKEN_LOGIN,
  },
  {
    name: "a login that is taken is reported as a stale version",
    store: "postgres",
    ...applying,
    find: 'if (isFault(error, "unique")) throw new ConditionFailed("exists");',
    replace: 'if (isFault(error, "unique")) throw new ConditionFailed("stale");',
    noticedBy: TAKEN_LOGIN,
  },
  // What is spared.
  {
    name: "a change ends what it has written",
    ...changes,
    find: "!isSpared(device, spared) && endsDevice(ending, device)",
    replace: "endsDevice(ending, device)",
    noticedBy: SPARED,
  },
  {
    name: "trust in a browser ends as a device does",
    ...changes,
    find: ", ...recordMark(session)",
    replace: "",
    noticedBy: TRUST,
  },
  {
    name: "with everyone, trust in a browser ends as a device does",
    store: "sqlite",
    file: "stores/sql/programs/end-everyone.ts",
    find: "    ...recordMark(row),\n",
    replace: "",
    noticedBy: TRUST,
  },
  {
    name: "a change spares its session, and reports it",
    ...changes,
    find: "return { done: true, ended };",
    replace:
      "return { done: true, ended: (end ?? []).some(({ session }) => session?.id === spared.sessionId) ? [...ended, { sessionId: spared.sessionId, rememberedId: undefined, userId: undefined, reason: '' }] : ended };",
    noticedBy: SPARED,
  },
  {
    name: "a change spares its session, but not that one's login",
    store: "sqlite",
    ...ending,
    find: "entries.filter((entry) => !isSpared(entry, spared))",
    replace: "entries",
    noticedBy: SPARED,
  },
  {
    name: "a new login is not spared",
    store: "postgres",
    file: "stores/devices.ts",
    find: "loginId: remember?.id,",
    replace: "loginId: undefined,",
    noticedBy: SPARED,
  },
  // Endings.
  {
    name: "a session that ends leaves its login alive",
    ...changes,
    find: "if (login !== undefined) {\n      const generation",
    replace: "if (login !== undefined && session === undefined) {\n      const generation",
    noticedBy: BOTH_ENDS,
  },
  {
    name: "a session that ends leaves its login alive",
    store: "sqlite",
    ...ending,
    find: "logins: meant([...own, ...named])",
    replace: "logins: meant(named)",
    also: [
      {
        find: "rememberedId !== undefined && !revoked.has(rememberedId) &&",
        replace: "rememberedId === '' &&",
      },
    ],
    noticedBy: BOTH_ENDS,
  },
  {
    name: "a login that ends leaves its session alive",
    store: "postgres",
    ...ending,
    find: "if (row !== undefined && (yield* remove(row))) session = row;",
    replace: "if (row !== undefined && targets.sessions.length > 1 && (yield* remove(row))) session = row;",
    also: [{ find: "if (deleted.has(sessionId)) continue;", replace: "if (revoked.size > 0) continue;" }],
    noticedBy: BOTH_ENDS,
  },
  {
    name: "an ending that names a session forgets the login that it names",
    store: "sqlite",
    ...ending,
    find: "const named = login === undefined ?",
    replace: "const named = login === undefined || session !== undefined ?",
    noticedBy: TWO_DEVICES,
  },
  {
    name: "a session that an ending may not end outlives its login, which that ends as well",
    store: "sqlite",
    ...ending,
    find: "named.some((entry) => isOfLogin(entry, row))",
    replace: "named.length < 0",
    noticedBy: TWO_DEVICES,
  },
  {
    name: "the token of a login decides about the session as well",
    ...conditions,
    find: "(session !== undefined && entry.session !== undefined && endsSession",
    replace:
      "(session !== undefined && login?.token === undefined && entry.session !== undefined && endsSession",
    noticedBy: TWO_DEVICES,
  },
  {
    name: "a login ends by any token",
    store: "postgres",
    ...ending,
    find: "if (rows.length === 0) return [];\n  }\n  return (yield* ofHandle(statements, id))",
    replace: "if (rows.length > 1) return [];\n  }\n  return (yield* ofHandle(statements, id))",
    noticedBy: BY_TOKEN,
  },
  {
    name: "an anonymous session is any user's",
    ...conditions,
    find: "(session.userId ?? null) === userId &&",
    replace: "(userId === null || session.userId === userId) &&",
    noticedBy: WHOSE,
  },
  {
    name: "an anonymous session is any user's",
    store: "postgres",
    ...ending,
    find: "session?.id === id && (session.userId ?? null) === userId",
    replace: "session?.id === id && (userId === null || session.userId === userId)",
    also: [{ find: "endsSession(session, row)", replace: "true" }],
    noticedBy: WHOSE,
  },
  {
    name: "without a user, a handle ends anonymous devices only",
    ...devices,
    find: "(userId === undefined || (session?.userId ?? login?.userId) === userId) &&",
    replace: "(session?.userId ?? login?.userId) === userId &&",
    noticedBy: ANYBODY,
  },
  // Touches.
  {
    name: "a touch uses a tombstone",
    ...changes,
    find: "if (login === undefined || login.revokedAt !== undefined) return;",
    replace: "if (login === undefined) return;",
    noticedBy: UNTOUCHED,
  },
  {
    name: "a touch uses a tombstone",
    store: "sqlite",
    ...applying,
    find: "${l.pruneAfter} = ? WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL`,\n    [...values, pruneAfter, id]",
    replace: "${l.pruneAfter} = ? WHERE ${l.id} = ?`,\n    [...values, pruneAfter, id]",
    noticedBy: UNTOUCHED,
  },
  {
    name: "a touch uses a tombstone",
    ...touch,
    find: ".id AND ${L}.${l.revokedAt} IS NULL`;",
    replace: ".id`;",
    noticedBy: UNTOUCHED,
  },
  {
    name: "a login is not used without its session",
    ...changes,
    find: "if (remembered !== undefined) yield* used(work, remembered);",
    replace: "if (remembered !== undefined && row !== undefined) yield* used(work, remembered);",
    noticedBy: UNTOUCHED,
  },
  {
    name: "a login is not used without its session",
    store: "sqlite",
    ...applying,
    find: "if (remembered !== undefined) yield* useProgram(statements, remembered);",
    replace:
      "if (remembered !== undefined && (yield sessionExists(statements, sessionId)).rows.length > 0) yield* useProgram(statements, remembered);",
    noticedBy: UNTOUCHED,
  },
  {
    name: "a login is not used without its session",
    ...touch,
    find: ".id AND ${L}.${l.revokedAt} IS NULL`;",
    replace:
      ".id AND ${L}.${l.revokedAt} IS NULL AND EXISTS (SELECT 1 FROM ${S} WHERE ${S}.${s.rememberedId} = ${L}.${l.id})`;",
    noticedBy: UNTOUCHED,
  },
  {
    name: "a touch shortens a session's time to be pruned",
    ...changes,
    find: "pruneAfter: Math.max(row.pruneAfter, pruneAfter),",
    replace: "pruneAfter,",
    noticedBy: TOUCHED,
  },
  {
    name: "a touch shortens a session's time to be pruned",
    store: "sqlite",
    ...applying,
    find: "CASE WHEN ${s.pruneAfter} < ? THEN",
    replace: "CASE WHEN ${s.pruneAfter} <> ? THEN",
    noticedBy: TOUCHED,
  },
  {
    name: "a touch shortens a session's time to be pruned",
    ...touch,
    find: 'GREATEST("#t".prune, ${S}.${s.pruneAfter})',
    replace: '"#t".prune',
    noticedBy: TOUCHED,
  },
  {
    name: "a touch never moves a deadline back",
    ...changes,
    find: "idleDeadline: idleDeadline ?? row.idleDeadline,",
    replace: "idleDeadline: Math.max(idleDeadline ?? 0, row.idleDeadline),",
    noticedBy: TOUCHED,
  },
  {
    name: "a use never shortens a login's time to be pruned",
    ...changes,
    find: "{ ...login, lastUsedAt, idleDeadline, pruneAfter, confirmedAt }",
    replace:
      "{ ...login, lastUsedAt, idleDeadline, pruneAfter: Math.max(login.pruneAfter, pruneAfter), confirmedAt }",
    noticedBy: USED,
  },
  {
    name: "a use never shortens a login's time to be pruned",
    ...touch,
    find: '${l.pruneAfter} = "#t".prune',
    replace: '${l.pruneAfter} = GREATEST(${L}.${l.pruneAfter}, "#t".prune)',
    noticedBy: TOUCHED,
  },
  {
    name: "a save uses a tombstone",
    ...atOnce,
    find: 'FROM "#ok" WHERE ${l.id} = ? AND ${l.revokedAt} IS NULL`,',
    replace: 'FROM "#ok" WHERE ${l.id} = ?`,',
    noticedBy: USED,
  },
  // Pruning and caps.
  {
    name: "a session that was pruned keeps its login",
    ...kit,
    find: "if (session !== undefined) work.dropSession(session);",
    replace: "if (session !== undefined) work.delete(own);",
    noticedBy: FREED,
  },
  {
    name: "pruning counts sessions, and deletes them later",
    store: "postgres",
    ...keeping,
    find: "if (atOnce !== undefined) return (yield atOnce).count;",
    replace: "if (atOnce !== undefined) return table === 'sessions' ? limit : (yield atOnce).count;",
    noticedBy: FREED,
  },
  {
    name: "what is at its deadline does not count",
    ...devices,
    find: "deadlineOf(entry) >= at &&",
    replace: "deadlineOf(entry) > at &&",
    noticedBy: COUNTED,
  },
  {
    name: "a device counts by its session's deadline",
    ...devices,
    find: "login === undefined ? 0 : endOf(login)",
    replace: "login === undefined || session !== undefined ? 0 : endOf(login)",
    noticedBy: COUNTED,
  },
  {
    name: "logins without a session do not count",
    store: "postgres",
    ...applying,
    find: "[...sessions.rows, ...logins.rows]",
    replace: "[...sessions.rows, ...logins.rows.slice(0, 0)]",
    noticedBy: COUNTED,
  },
  {
    name: "a device was last used when its login was",
    ...devices,
    find: "Math.max(session?.lastSeenAt ?? 0, login?.lastUsedAt ?? 0)",
    replace: "(login?.lastUsedAt ?? session?.lastSeenAt ?? 0)",
    noticedBy: OLDEST,
  },
  {
    name: "a device was last used when its session was",
    ...devices,
    store: "sqlite",
    find: "Math.max(session?.lastSeenAt ?? 0, login?.lastUsedAt ?? 0)",
    replace: "(session?.lastSeenAt ?? login?.lastUsedAt ?? 0)",
    noticedBy: OLDEST,
  },
  // Users.
  {
    name: "any user id is kept",
    ...kit,
    find: "for (const userId of usersOf(write)) assertUserId(userId, this.userIds);",
    replace: "",
    noticedBy: REFUSED,
  },
  {
    name: "any user id is listed",
    ...kit,
    find: "assertUserId(userId, this.userIds);\n    return (await",
    replace: "return (await",
    noticedBy: REFUSED,
  },
  {
    name: "any user id is kept",
    ...sqlite,
    find: "assertUserId(userId, this.schema.userIds);",
    replace: "",
    noticedBy: REFUSED,
  },
  {
    name: "a number is kept as text",
    ...postgres,
    find: "assertUserId(userId, this.schema.userIds);\n    return userId;",
    replace:
      "if (typeof userId === 'string') assertUserId(userId, this.schema.userIds);\n    return String(userId);",
    noticedBy: REFUSED,
  },
  {
    name: '7 and "7" are one user',
    ...keys,
    find: "named(`${typeof userId} ${userId}`)",
    replace: "named(String(userId))",
    noticedBy: ALIKE,
  },
  {
    name: "users are compared without case",
    ...sqlite,
    find: "?? `${column} = ?`;",
    replace: "?? `${column} = ? COLLATE NOCASE`;",
    noticedBy: ALIKE,
  },
  {
    name: "users are compared without the spaces at their ends",
    ...postgres,
    find: "?? `${column} = ?`;",
    replace: "?? `rtrim(${column}) = rtrim(?)`;",
    noticedBy: ALIKE,
  },
  {
    name: "the audit trail compares users without the spaces at their ends",
    ...postgres,
    find: "?? `${column} = ?`;",
    replace: "?? `rtrim(${column}) = rtrim(?)`;",
    noticedBy: AUDIT,
  },
  // Locks.
  {
    name: "locks are compared without the spaces at their ends",
    ...keys,
    find: "`k/${named(name)}`",
    replace: "`k/${named(name.trimEnd())}`",
    noticedBy: LOCK_NAMES,
  },
  {
    name: "locks are compared without the spaces at their ends",
    store: "postgres",
    ...keeping,
    find: "return statements.dialect.lockKey?.(name) ?? name;",
    replace: "return name.trimEnd();",
    noticedBy: LOCK_NAMES,
  },
  {
    name: "locks are compared without case",
    store: "sqlite",
    ...keeping,
    find: "return statements.dialect.lockKey?.(name) ?? name;",
    replace: "return name.toLowerCase();",
    noticedBy: LOCK_NAMES,
  },
  {
    name: "a fence is the time",
    ...kit,
    find: "Math.max((held?.fence ?? 0) + 1, now)",
    replace: "now",
    noticedBy: FENCES,
  },
  {
    name: "a fence counts takings only",
    store: "postgres",
    ...keeping,
    find: "Math.max(held.fence + 1, now)",
    replace: "held.fence + 1",
    noticedBy: FENCES,
  },
  // Administration.
  {
    name: "a page has one more than its limit",
    ...pages,
    find: "limit, end === undefined",
    replace: "limit + 1, end === undefined",
    noticedBy: PAGES,
  },
  {
    name: "a page that is full loses the rest of its tag",
    store: "sqlite",
    file: "stores/browse.ts",
    find: "entries.push(...group);",
    replace: "entries.push(...group.slice(0, limit));",
    noticedBy: TOGETHER,
  },
  {
    name: "a turn to prune that is refused counts as one",
    ...kit,
    find: "if (held !== undefined && isHeld(held, request)) return undefined;",
    replace:
      "if (held !== undefined && isHeld(held, request)) return work.put(key, { ...held, fence: now }) as undefined;",
    noticedBy: REPORT,
  },
  {
    name: "every page is the first one",
    ...pages,
    find: "after === undefined ? undefined : prefix + past(after)",
    replace: "undefined",
    noticedBy: PAGES,
  },
  {
    name: "a page begins with the last tag of the one before",
    store: "sqlite",
    file: "stores/browse.ts",
    find: "return { entries, next: last };",
    replace: "return { entries, next: byTag[0]?.[0] };",
    noticedBy: PAGES,
  },
  // Fields, ids and conditions that no case had looked at.
  {
    name: "a new session begins with no exchanges counted",
    ...changes,
    find: "if (insert !== undefined) work.putSession(insert, undefined);",
    replace: "if (insert !== undefined) work.putSession({ ...insert, fence: 0 }, undefined);",
    noticedBy: FULL,
  },
  {
    name: "two times of a session take each other's place",
    store: "sqlite",
    file: "stores/sql/reading.ts",
    find: "row[field] = check(value, column);",
    replace:
      'row[field.replace(/^(createdAt|beganAt)$/, (is) => (is === "beganAt" ? "createdAt" : "beganAt"))] = check(value, column);',
    noticedBy: FULL,
  },
  {
    name: "two times of a session take each other's place",
    store: "postgres",
    file: "stores/sql/reading.ts",
    find: "row[field] = check(value, column);",
    replace:
      'row[field.replace(/^(createdAt|beganAt)$/, (is) => (is === "beganAt" ? "createdAt" : "beganAt"))] = check(value, column);',
    noticedBy: FULL,
  },
  {
    name: "ids are found whatever their capital letters",
    ...sqlite,
    find: "FROM ${this.S} s WHERE ${condition}`",
    replace: "FROM ${this.S} s WHERE ${condition} COLLATE NOCASE`",
    noticedBy: EXACT,
  },
  {
    name: "ids are found whatever their capital letters",
    ...keys,
    find: "SESSIONS + id",
    replace: "SESSIONS + id.toLowerCase()",
    noticedBy: EXACT,
  },
  {
    name: "an update leaves the fence where it was",
    ...changes,
    find: "{ ...row, ...update.set, version",
    replace: "{ ...row, ...update.set, fence: row.fence, version",
    noticedBy: NAMED,
  },
  {
    name: "an update never takes a tag",
    ...sqlite,
    find: "values.push(this.value(columnOf(table, field), set[field]));",
    replace: 'values.push(field === "tag" ? null : this.value(columnOf(table, field), set[field]));',
    noticedBy: NAMED,
  },
  {
    name: "a change that changes nothing is a conflict",
    ...changes,
    find: "const conflict = yield* conflictOf(work, change);",
    replace:
      'const conflict = (yield* conflictOf(work, change)) ?? (Object.values(change).flat().length === 1 ? "missing" : undefined);',
    noticedBy: NOTHING,
  },
  {
    name: "a change with a conflict ends what it was to end",
    ...changes,
    find: "const conflict = yield* conflictOf(work, change);\n  if (conflict !== undefined) return giveUp(work, conflict);",
    replace:
      "const conflict = yield* conflictOf(work, change);\n  if (conflict !== undefined && change.end === undefined) return giveUp(work, conflict);\n  if (conflict !== undefined) { for (const ending of change.end ?? []) endDevices(work, yield* namedBy(work, ending), ending); return { done: false, conflict }; }",
    noticedBy: ENDS_NOTHING,
  },
  {
    name: "a login that is held counts a rotation",
    ...changes,
    find: "if (stray !== undefined) {\n    const login = yield* work.login(stray.id);\n    if (login !== undefined) work",
    replace:
      "const held = change.hold && (yield* work.login(change.hold.id));\n  if (held) work.putLogin({ ...held, generation: held.generation + 1 }, held);\n  if (stray !== undefined) {\n    const login = yield* work.login(stray.id);\n    if (login !== undefined) work",
    noticedBy: HELD,
  },
  {
    name: "of two touches in a batch the later one decides how long a session lives",
    store: "postgres",
    file: "stores/sql/touch-queue.ts",
    find: "pruneAfter: Math.max(first.pruneAfter, last.pruneAfter),",
    replace: "",
    noticedBy: LONGER,
  },
  {
    name: "of two touches in a batch the first one decides how long a session lives",
    ...changes,
    find: "pruneAfter: Math.max(row.pruneAfter, pruneAfter),",
    replace:
      "pruneAfter: touches.length > 1 ? touches.at(-1)!.pruneAfter : Math.max(row.pruneAfter, pruneAfter),",
    noticedBy: LONGER,
  },
  {
    name: "what is confirmed of one login is confirmed of every session",
    store: "sqlite",
    ...applying,
    find: "SET ${s.confirmFrom} = NULL WHERE ${s.rememberedId} = ?`",
    replace: "SET ${s.confirmFrom} = NULL WHERE ${s.rememberedId} >= '' OR ${s.id} = ?`",
    noticedBy: CONFIRMED,
  },
  {
    name: "the user whose device is named is not checked",
    store: "sqlite",
    file: "stores/sql/programs/name.ts",
    find: "statements.user(userId);",
    replace: "",
    noticedBy: REFUSED,
  },
  {
    name: "the user whose device is named is not checked",
    store: "postgres",
    file: "stores/sql/programs/name.ts",
    find: "statements.user(userId);",
    replace: "",
    noticedBy: REFUSED,
  },
  {
    name: "the user whose device is named is not checked",
    ...kit,
    find: "assertUserId(userId, this.userIds);\n    return this.#run(function* (work) {\n      const device",
    replace: "return this.#run(function* (work) {\n      const device",
    noticedBy: REFUSED,
  },
  {
    name: "the user of an update is not checked",
    ...devices,
    find: "update?.set.userId, ...caps",
    replace: "...caps",
    noticedBy: REFUSED,
  },
  {
    name: "the user of a cap is not checked",
    ...devices,
    find: ", ...caps.map(({ userId }) => userId)].filter(",
    replace: "].filter(",
    noticedBy: REFUSED,
  },
  {
    name: "the user of an audit query is not checked",
    store: "memory",
    file: "stores/kit/trail.ts",
    find: "if (query.userId !== undefined) assertUserId(query.userId, userIds);",
    replace: "",
    noticedBy: REFUSED,
  },
  {
    name: "pruning takes locks away that still run",
    ...kit,
    find: 'await this.#prune("k", now, limit);',
    replace: 'await this.#prune("k", now + 2 ** 40, limit);',
    noticedBy: RUNNING,
  },
  {
    name: "pruning takes locks away that still run",
    store: "sqlite",
    ...keeping,
    find: "const pruneAfter = Math.ceil(until / HOUR + 1) * HOUR;",
    replace: "const pruneAfter = Math.floor(now / HOUR) * HOUR;",
    noticedBy: RUNNING,
  },
  {
    name: "a claim that is ahead by an interval does not block",
    store: "memory",
    file: "stores/locks.ts",
    find: "until <= now + longest);",
    replace: "until < now + longest);",
    noticedBy: CLAIMS,
  },
  {
    name: "when a device was last used counts for everyone only",
    ...devices,
    find: "(lastUsedBefore === undefined || (lastUse(entry) < lastUsedBefore",
    replace: "(lastUsedBefore === undefined || userId !== undefined || (lastUse(entry) < lastUsedBefore",
    noticedBy: BEFORE,
  },
  {
    name: "what was last used at a moment was used before it",
    ...devices,
    store: "sqlite",
    find: "lastUse(entry) < lastUsedBefore",
    replace: "lastUse(entry) <= lastUsedBefore",
    noticedBy: BEFORE,
  },
  {
    name: "a cap of a tag counts other realms",
    ...devices,
    find: "isInRealm(entry, realm) &&\n      (tag === undefined",
    replace: "(tag !== undefined || isInRealm(entry, realm)) &&\n      (tag === undefined",
    noticedBy: TAG_IN_REALM,
  },
  {
    name: "a device has its login's tag besides",
    ...devices,
    find: "session === undefined ? login?.tag : session.tag;",
    replace: "session?.tag ?? login?.tag;",
    noticedBy: WHOSE_TAG,
  },
  {
    name: "a device has its login's tag",
    ...devices,
    store: "sqlite",
    find: "session === undefined ? login?.tag : session.tag;",
    replace: "login === undefined ? session?.tag : login.tag;",
    noticedBy: WHOSE_TAG,
  },
  {
    name: "all endings have the first one's reason",
    ...changes,
    find: "ended.push(...endDevices(work, devices, ending));",
    replace: "ended.push(...endDevices(work, devices, end[0]!));",
    noticedBy: EACH_ENDING,
  },
  {
    name: "all endings have the first one's reason",
    store: "sqlite",
    ...applying,
    find: "ended.push(...(yield* endAll(statements, targets, ending)));",
    replace: "ended.push(...(yield* endAll(statements, targets, end[0]!)));",
    noticedBy: EACH_ENDING,
  },
  // What the contract had not said either.
  {
    name: "lists leave out what is past its deadline",
    ...kit,
    find: "true)).map(listed);",
    replace:
      "true)).filter(({ session, login }) => (session ?? login)!.idleDeadline > Date.now()).map(listed);",
    noticedBy: "what is past its deadline is found, listed and ended all the same",
  },
  {
    name: "a session stays with the user that it had",
    ...changes,
    find: "{ ...row, ...update.set, version",
    replace: "{ ...row, ...update.set, userId: row.userId ?? update.set.userId, version",
    noticedBy: "a session that changes its user is the new one's device, and no longer the old one's",
  },
  {
    name: "a session that changes its user stays in the list of the one before",
    store: "memory",
    file: "stores/kit/work.ts",
    find: "for (const place of left) if (!places.has(place)) this.delete(place);",
    replace: "",
    noticedBy: "a session that changes its user is the new one's device, and no longer the old one's",
  },
  {
    name: "an exception is a session",
    store: "sqlite",
    file: "stores/devices.ts",
    find: "(except === undefined || !has(except)) &&",
    replace: "(except === undefined || session?.id !== except) &&",
    noticedBy: "ending by user spares the login that is excepted, with its session",
  },
  {
    name: "an update has the last word on when a login is confirmed",
    store: "postgres",
    file: "stores/sql/dialects/postgres-apply.ts",
    find: 'CASE WHEN "#ok"."#confirms" THEN NULL ELSE ${from} END',
    replace: "${from}",
    noticedBy: "a save can confirm as well",
  },
  {
    name: "a login is pruned at its time, and not after it",
    ...keys,
    find: "garbagePrefix(kind) + time(at)",
    replace: "garbagePrefix(kind) + time(at + 1)",
    noticedBy: "pruning deletes what is past its time, at most so much at once",
  },
  {
    name: "long messages are cut",
    store: "postgres",
    file: "stores/sql/store.ts",
    find: "notify(name, text)",
    replace: "notify(name, text.slice(0, 5000))",
    noticedBy: "a message of 7000 characters arrives whole, and messages in their order",
  },
  {
    ...kit,
    name: "an erasure sets no mark",
    find: "yield* marked(work, mark);\n      const { sessions, logins }",
    replace: "const { sessions, logins }",
    noticedBy: PROVED,
  },
  {
    ...kit,
    name: "an erasure takes every realm",
    find: "const isOwn = ({ id }: { readonly id: string }) => id.endsWith(realm);",
    replace: "const isOwn = ({ id }: { readonly id: string }) => id !== realm;",
    noticedBy: IN_REALM,
  },
  {
    ...kit,
    name: "addresses are forgotten at the very moment",
    find: "row.lastSeenAt < before",
    replace: "row.lastSeenAt <= before",
    noticedBy: UNREAD,
  },
  {
    store: "memory",
    file: "stores/kit/work.ts",
    name: "an erasure finds only what a user is signed in on",
    find: "[userPrefix(userId), othersPrefix(userId)]",
    replace: "[userPrefix(userId)]",
    noticedBy: ERASED,
  },
  {
    store: "memory",
    file: "stores/kit/work.ts",
    name: "an erasure forgets who acts",
    find: "[row.pendingUserId, row.actorUserId]",
    replace: "[row.pendingUserId]",
    noticedBy: ERASED,
  },
  {
    store: "memory",
    file: "stores/erasure.ts",
    name: "a pseudonym is none",
    find: "handle: pseudonym,",
    replace: "handle: pseudonym && undefined,",
    noticedBy: PSEUDONYM,
  },
  {
    store: "memory",
    file: "stores/erasure.ts",
    name: "the entries of others go on to say who acted",
    find: "detail: detailWithout(entry, pseudonym),",
    replace: "detail: entry.detail ?? detailWithout(entry, pseudonym),",
    noticedBy: NO_ENTRIES,
  },
  {
    store: "memory",
    file: "stores/kit/trail.ts",
    name: "entries come back",
    find: "(marks.get(name)?.at ?? -1) >= given.at",
    replace: "(marks.get(name)?.at ?? -1) >= given.at && given.at < 0",
    noticedBy: LATE,
  },
  {
    store: "memory",
    file: "stores/kit/trail.ts",
    name: "an erasure from the trail takes every realm",
    find: "entry === undefined || realmOf(entry.id) !== realm",
    replace: "entry === undefined || realmOf(entry.id) === entry.id",
    noticedBy: TRAIL_IN_REALM,
  },
  {
    store: "memory",
    file: "stores/kit/trail.ts",
    name: "what a user did as another stays under their id",
    find: "[trailPrefix(userId), actorPrefix(userId)]",
    replace: "[trailPrefix(userId)]",
    noticedBy: NO_ENTRIES,
  },
  {
    store: "memory",
    file: "stores/kit/trail.ts",
    name: "an erased user is never forgotten",
    find: "{ name: erasureName(userId, realm), at, until }",
    replace: "{ name: erasureName(userId, realm), at, until: until + 9 }",
    noticedBy: ERASED_UNTIL,
  },
  {
    store: "memory",
    file: "stores/kit/trail.ts",
    name: "the last page of addresses is left out",
    find: "next: found.length < limit ? undefined : found.at(-1)?.[0]",
    replace: "next: undefined",
    noticedBy: OLD_ENTRIES,
  },
  {
    store: "sqlite",
    file: "stores/sql/programs/erase.ts",
    name: "tombstones stay",
    find: "FROM ${L} l WHERE ${statements.isUser(`l.${l.userId}`)}`",
    replace: "FROM ${L} l WHERE l.${l.revokedAt} IS NULL AND ${statements.isUser(`l.${l.userId}`)}`",
    noticedBy: ERASED,
  },
  {
    store: "sqlite",
    file: "stores/sql/programs/erase.ts",
    name: "an erasure takes a session of which its user is no more",
    find: 'statements.userIn(raw, "user") !== userId) continue;',
    replace: "raw === undefined) continue;",
    also: [
      {
        find: "WHERE ${statements.isUser(`s.${column}`)}`",
        replace: "WHERE ${statements.isUser(`s.${column}`)} OR s.${column} IS NULL`",
      },
    ],
    noticedBy: ERASED,
  },
  {
    store: "sqlite",
    file: "stores/sql/programs/audit.ts",
    name: "an entry meets no mark",
    find: "(marks.get(markName(name)) ?? -1) >= entry.at",
    replace: "(marks.get(name) ?? -1) >= entry.at",
    noticedBy: LATE,
  },
  {
    store: "postgres",
    file: "stores/sql/programs/erase.ts",
    name: "an erasure sets its mark last",
    find: "  await transact(() => setMark(statements, mark));\n",
    replace: "",
    noticedBy: PROVED,
  },
  {
    store: "postgres",
    file: "stores/sql/programs/erase.ts",
    name: "an erasure does not look again at what its first pass has waited for",
    find: "isDone = sessions.length + logins.length === 0;",
    replace: "isDone = true;",
    noticedBy: "no login that is exchanged for another during an erasure outlives it in that one",
  },
];
