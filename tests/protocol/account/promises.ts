import { endOf } from "../../../src/protocol/rows.ts";
import type { SessionRow } from "../../../src/stores/store.ts";
import { digestIn, hex } from "../digests.ts";
import { type Violation, violations } from "../promises/violation.ts";
import { isOrder, isPoll, isRenewal, signInOf } from "./acts.ts";
import { devicesIn, handleOf } from "./devices.ts";
import { checkErased, checkErasing } from "./erasing.ts";
import { exchangedIn, holds, mayAct, provedAtOf, secretOf } from "./ghost.ts";
import { type Ghost, idIn, type Running, type Step, type World } from "./world.ts";

/** The promises about single steps. */
export function checkStep(before: World, step: Step): Violation[] {
  if (step.moved === undefined) return checkErasing(before, step);
  return [
    ...checkOpening(before, step),
    ...checkSignIns(before, step),
    ...checkRefusals(before, step),
    ...checkReplaced(before, step),
    ...checkAlarms(before, step),
    ...checkTrusted(before, step),
    ...checkActing(before, step),
    ...checkLives(before, step),
    ...checkHandles(before, step),
    ...checkErasing(before, step),
  ];
}

const isLetIn = ({ before, after }: NonNullable<Step["moved"]>): boolean =>
  after.progress?.opened !== undefined && before.progress?.opened === undefined;

/** The secret that a request presents is still that of its row. */
function isCurrent({ rows }: World, { cookies: { session } }: Running): boolean {
  const row = rows.sessions.get(idIn(session));
  return row !== undefined && session !== undefined && hex(row.secret) === digestIn(session);
}

/** I21: who has proved a first factor is nobody, and only a secret that signs in does so. I24: what was planted gets nothing. */
function checkOpening(before: World, { moved, world }: Step): Violation[] {
  if (moved === undefined || !isLetIn(moved)) return [];
  const { opened } = moved.progress;
  const { running } = moved.after;
  if (opened === undefined) return [];
  const secret = secretOf(before.ghost, running);
  const login = before.rows.logins.get(idIn(running.cookies.remember));
  const byToken = login?.revokedAt === undefined ? login?.userId : undefined;
  const bySession = secret?.kind === "in" && isCurrent(before, running) ? secret.user : undefined;
  const isHalf = secret?.kind === "half" && isCurrent(before, running) && world.now < secret.until;
  const isServed = opened.standing === "live" || opened.standing === "previous";
  const row = before.rows.sessions.get(idIn(running.cookies.session));
  const isOver = row !== undefined && world.now > endOf(row);
  return [
    ...violations("I21", [
      [
        opened.user !== undefined &&
          opened.user !== byToken &&
          opened.user !== bySession &&
          // Of the two rows the first was read when both users were in.
          !(opened.user === "bob" ? before.ghost.couldAct : before.ghost.wasOwn).has(running.id),
        "a request was served as a user who had not signed in",
      ],
      [isHalf && opened.user !== undefined, "who waits for the second step was served as a user"],
      [isHalf && opened.pending !== secret.user, "a sign-in that waits was not found"],
      [!isHalf && opened.pending !== undefined, "a sign-in waits where none has begun, or its time is over"],
    ]),
    ...violations("I24", [
      [
        isServed &&
          secret?.replacedBy !== undefined &&
          isFencing(secret.replacedBy) &&
          !before.ghost.wasOwn.has(running.id),
        "a secret that a sign-in, its first step or a renewal replaced was served",
      ],
    ]),
    ...violations("I27", [
      [isOver && opened.user !== undefined && opened.user !== byToken, "a session was served after its end"],
    ]),
  ];
}

const isFencing = (act: Running["act"]): boolean => isRenewal(act) || signInOf(act as never) !== undefined;

/** I22: a second step follows its own first step, once. I23: nothing proved before a mark completes after it. */
function checkSignIns(before: World, { moved, world }: Step): Violation[] {
  if (moved === undefined) return [];
  const { running } = moved.before;
  const { ghost } = before;
  const signIn = signInOf(running.act as never);
  const presented = secretOf(ghost, running);
  const opened = moved.before.progress?.opened ?? moved.progress.opened;
  const found: Violation[] = [];
  for (const { row, was } of exchangedIn(before, world)) {
    const provedAt = provedAtOf(ghost, running) ?? -1;
    const rests = row.pendingUserId ?? (row.actorUserId === undefined ? undefined : row.userId);
    const both = row.actorUserId === undefined ? [rests] : [rests, row.actorUserId];
    found.push(
      ...violations("I23", [
        [
          rests !== undefined && both.some((user) => isMarked(ghost, running, user, provedAt)),
          "a first step, or an impersonation, rests on what was before a mark",
        ],
      ]),
    );
    if (row.userId === undefined || row.actorUserId !== undefined) continue;
    const isTrust = row.level === "trust";
    const login = before.rows.logins.get(idIn(running.cookies.remember));
    const isOwn = opened?.user === row.userId;
    const completes = signIn?.kind === "completes";
    const isBegun =
      presented?.kind === "half" &&
      presented.user === row.userId &&
      !presented.isCompleted &&
      running.openedAt < presented.until;
    const isRightly = completes ? isBegun && isCurrent(before, running) : signIn?.user === row.userId;
    const mayTrust =
      isOwn ||
      [...ghost.secrets.values()].some(
        ({ kind, user, by }) => kind === "in" && user === row.userId && by === running.id,
      );
    found.push(
      ...violations(completes ? "I22" : "I21", [
        [!isTrust && signIn?.kind === "begins", "a first step signed somebody in"],
        [
          !isTrust && !isOwn && !isRightly && login?.userId !== row.userId,
          "somebody was signed in who had neither begun nor signed in",
        ],
        [
          !isTrust && completes && !isOwn && !isRightly,
          "a second step was taken that is not the one of its first, or twice",
        ],
        [isTrust && !mayTrust, "somebody was trusted who had not signed in"],
      ]),
    );
    const isProof = isTrust || (signIn !== undefined && (was?.userId === undefined || row.level === "login"));
    const isOwnMark = ghost.marks.some(({ by }) => by === running.id);
    found.push(
      ...violations("I23", [
        [
          isProof && !isOwnMark && isMarked(ghost, running, row.userId, provedAt),
          "what was proved before a mark counted after it",
        ],
      ]),
    );
  }
  return found;
}

const isMarked = ({ marks }: Ghost, { id }: Running, userId: unknown, provedAt: number): boolean =>
  marks.some(({ user, at, by }) => user === userId && by !== id && provedAt <= at);

/** The users whose marks a request is held to: also that of the administrator who acts. */
const marked = ({ act }: Running): readonly string[] => (act === "act as Bob" ? ["ada", "bob"] : ["ada"]);

/** I22 and I23, the other way: what was proved in time is not refused. */
function checkRefusals(before: World, { moved, world }: Step): Violation[] {
  const code = moved?.progress.told.code;
  if (moved === undefined || code === undefined || moved.before.progress?.told.code !== undefined) return [];
  const { running } = moved.after;
  const secret = secretOf(before.ghost, running);
  const signIn = signInOf(running.act as never);
  const waits = secret?.kind === "half" && isCurrent(before, running) && running.openedAt < secret.until;
  const isRow = world.rows.sessions.has(idIn(running.cookies.session));
  return violations(code === "nothing_pending" ? "I22" : "I23", [
    [
      code === "nothing_pending" && ((waits && isRow) || signIn?.kind !== "completes"),
      "a second step was refused although its first step waits",
    ],
    [
      code === "proof_outdated" &&
        !marked(running).some((user) =>
          isMarked(before.ghost, running, user, provedAtOf(before.ghost, running) ?? -1),
        ),
      "a proof was refused that is newer than every mark",
    ],
  ]);
}

/** I24: a secret that was replaced changes nothing, and takes nothing along that was stored after it. */
function checkReplaced(before: World, { moved, world }: Step): Violation[] {
  if (moved === undefined) return [];
  const { running } = moved.before;
  const secret = secretOf(before.ghost, running);
  const id = idIn(running.cookies.session);
  const opened = moved.before.progress?.opened ?? moved.progress.opened;
  const isByToken = opened?.standing === "remembered";
  const isOut = secret?.replacedBy !== undefined && isFencing(secret.replacedBy) && !isByToken;
  const isSigningIn = signInOf(running.act as never) !== undefined;
  const [was, is] = [before.rows.sessions.get(id), world.rows.sessions.get(id)];
  const isLeaving = (running.act === "logout" || running.act === "delete the account") && is === undefined;
  // By the read that follows the record: before it, nothing has come of it.
  const isTrusting =
    running.act === "trust" &&
    moved.before.stage === "calling" &&
    moved.progress.kind === "handling" &&
    moved.progress.told.code === undefined &&
    [...before.ghost.trusts.values()].some(({ by }) => by === running.id);
  const taken = exchangedIn(before, world).some(({ row, was: old }) =>
    [...before.ghost.written].some(
      ([by, order]) =>
        secret !== undefined && order > secret.order && holds(row, by) && !(old !== undefined && isByToken),
    ),
  );
  return violations("I24", [
    [isOut && !isSigningIn && !isLeaving && isChanged(was, is), "a replaced secret changed its session"],
    [isOut && !isSigningIn && isTrusting, "a replaced secret made its browser a trusted one"],
    [taken, "who presented an earlier secret got what was stored since"],
  ]);
}

const isChanged = (was: SessionRow | undefined, is: SessionRow | undefined): boolean =>
  was === undefined || is === undefined
    ? was !== is
    : hex(was.secret) !== hex(is.secret) || was.data !== is.data || was.userId !== is.userId;

/** I25: no honest browser is accused; and a first step leaves the remembered login alone. */
function checkAlarms(before: World, { moved, world }: Step): Violation[] {
  if (moved === undefined) return [];
  const news = moved.progress.events.slice(moved.before.progress?.events.length ?? 0);
  const begins = signInOf(moved.before.running.act as never)?.kind === "begins";
  const hasEnded = [...before.rows.logins.values()].some(
    ({ id, revokedAt }) => revokedAt === undefined && world.rows.logins.get(id)?.revokedAt !== undefined,
  );
  const login = before.rows.logins.get(idIn(moved.before.running.cookies.remember));
  const isTaken = moved.progress.cookies.some(({ definition }) => definition.name.endsWith("remember"));
  const isThere = login !== undefined && login.revokedAt === undefined;
  return violations("I25", [
    [begins && isThere && isTaken, "a first step took the remember cookie away"],
    [!before.ghost.isThiefAbout && news.includes("theft"), "a theft was reported, and there is no thief"],
    [!before.ghost.isThiefAbout && begins && hasEnded, "a first step ended a remembered login"],
  ]);
}

/** I26: trusted is who presents the secret that this user was given, until its end. */
function checkTrusted(before: World, { moved, world }: Step): Violation[] {
  if (moved?.before.running.act === "change a factor") {
    const isKept = exchangedIn(before, world).some(({ row }) => row.level === "trust");
    return violations("I26", [[isKept, "a browser is trusted although a factor was changed"]]);
  }
  if (moved?.progress.told.trusted !== true || moved.before.progress?.told.trusted !== undefined) return [];
  const { trust } = moved.before.running.cookies;
  const user = moved.before.running.act === "is it trusted by Bob" ? "bob" : "ada";
  const known = trust === undefined ? undefined : before.ghost.trusts.get(digestIn(trust));
  return violations("I26", [
    [known?.user !== user, "a browser was trusted that was given nothing by this user"],
    [known !== undefined && world.now > known.until, "a browser was trusted after the time"],
    [known?.endedBy !== undefined, `a browser was trusted although its trust had ended (${known?.endedBy})`],
  ]);
}

/**
 * I29: Ada acts as Bob by the secret that she was given for it, in the session in which it began, until either ends; and
 * what she stores meanwhile is in a session of its own.
 */
function checkActing(before: World, { moved, world }: Step): Violation[] {
  if (moved === undefined) return [];
  const { running } = moved.after;
  const opened = moved.before.progress?.opened ?? moved.progress.opened;
  const begun = exchangedIn(before, world).filter(({ row }) => row.actorUserId !== undefined);
  const own = [...world.rows.sessions.values()].filter((row) => holds(row, running.id));
  const isActing = opened?.user === "bob" && running.cookies.acting !== undefined;
  const isIn =
    isLetIn(moved) && before.ghost.couldAct.has(running.id) && mayAct(before, running.cookies, world.now);
  return violations("I29", [
    [
      begun.some(({ row }) => row.userId !== "bob" || row.actorUserId !== "ada") ||
        (begun.length > 0 && (running.act !== "act as Bob" || opened?.user !== "ada")),
      "an impersonation began that its administrator did not ask for",
    ],
    [isIn && opened?.user !== "bob", "an impersonation in force was not served"],
    [
      own.some(({ actorUserId }) => (actorUserId === "ada") !== isActing),
      "what was stored while acting as another user, or as oneself, is in the other's session",
    ],
  ]);
}

/** I27: nothing that is over comes back but by a token, and a poll moves no deadline. */
function checkLives(before: World, { moved, world }: Step): Violation[] {
  if (moved === undefined) return [];
  const { running } = moved.before;
  const isSigning = signInOf(running.act as never) !== undefined;
  const stood = (moved.before.progress?.opened ?? moved.progress.opened)?.standing;
  const found: (readonly [boolean, string])[] = [];
  for (const row of world.rows.sessions.values()) {
    const was = before.rows.sessions.get(row.id);
    found.push([was === undefined && before.ghost.gone.has(row.id), "a session that had ended came back"]);
    if (was === undefined) continue;
    const isMoved =
      was.idleDeadline !== row.idleDeadline ||
      was.absoluteDeadline !== row.absoluteDeadline ||
      was.lastSeenAt !== row.lastSeenAt;
    const isLater = endOf(row) > endOf(was);
    const byToken = before.rows.logins.get(idIn(running.cookies.remember))?.id === was.rememberedId;
    const isOver = world.now > endOf(was);
    const isByToken = was.rememberedId !== undefined && byToken && stood === "remembered";
    found.push(
      [isPoll(running.act) && isMoved, "a poll moved a deadline of a session"],
      [isOver && isLater && !isSigning && !isByToken, "a session that was over was extended"],
      [
        running.act === "extend" &&
          was.beganAt === row.beganAt &&
          row.absoluteDeadline !== was.absoluteDeadline,
        "an extension moved the absolute end",
      ],
    );
  }
  for (const row of world.rows.logins.values()) {
    const was = before.rows.logins.get(row.id);
    if (was === undefined) continue;
    const isMoved = was.idleDeadline !== row.idleDeadline || was.lastUsedAt !== row.lastUsedAt;
    const isOver = was.revokedAt !== undefined || world.now > endOf(was);
    found.push(
      [isPoll(running.act) && isMoved, "a poll moved a deadline of a login"],
      [isOver && endOf(row) > endOf(was), "a login that was over was extended"],
      [was.revokedAt !== undefined && row.revokedAt === undefined, "a login that had ended came back"],
    );
  }
  const row = before.rows.sessions.get(idIn(running.cookies.session));
  const { opened, kind } = moved.progress;
  const isExtending = running.act === "extend" && kind === "answering" && opened?.standing === "live";
  if (isExtending && opened?.user === "ada" && row?.userId === "ada" && world.now <= endOf(row))
    found.push([world.rows.sessions.get(row.id)?.lastSeenAt !== world.now, "an extension extended nothing"]);
  return violations("I27", found);
}

/** I28: a handle is one device's of its user, and stays the same through renewals. */
function checkHandles(before: World, { moved, world }: Step): Violation[] {
  if (moved === undefined || isOrder(moved.before.running.act)) return [];
  const isSigning = signInOf(moved.before.running.act as never) !== undefined;
  const hasMoved = [...world.rows.sessions.values()].some((row) => {
    const was = before.rows.sessions.get(row.id);
    return was?.userId !== undefined && was.userId === row.userId && handleOf(was) !== handleOf(row);
  });
  const made = [...world.rows.logins.values()].find(({ id }) => !before.rows.logins.has(id));
  const ended = [...world.rows.logins.values()].find(
    ({ id, revokedAt }) => revokedAt !== undefined && before.rows.logins.get(id)?.revokedAt === undefined,
  );
  const isRenamed = made !== undefined && ended !== undefined && handleOf(made) !== handleOf(ended);
  return violations("I28", [[!isSigning && (hasMoved || isRenamed), "a device was given another handle"]]);
}

/** The promises about a world as it stands. */
export function checkWorld(world: World): Violation[] {
  const { rows, now } = world;
  const handles = devicesIn(rows, now).map(({ handle, user }) => `${user} ${handle}`);
  const owners = [...rows.sessions.values()].flatMap(({ rememberedId }) => rememberedId ?? []);
  return [
    ...violations("I28", [
      [new Set(handles).size < handles.length, "two devices have one handle"],
      [new Set(owners).size < owners.length, "a login has two sessions"],
    ]),
    ...checkErased(world),
  ];
}
