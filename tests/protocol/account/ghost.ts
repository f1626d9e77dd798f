import { endOf } from "../../../src/protocol/rows.ts";
import type { SessionRow } from "../../../src/stores/store.ts";
import { digestIn, hex } from "../digests.ts";
import { changeOf } from "../rows.ts";
import { ACTING, type Act, STEP, signInOf, type User, userOf } from "./acts.ts";
import type { ActingSecret, Erasure, Ghost, Jar, Running, Secret, Step, Trust, World } from "./world.ts";

export const NO_GHOST: Ghost = {
  secrets: new Map(),
  trusts: new Map(),
  acting: new Map(),
  couldAct: new Set(),
  wasOwn: new Set(),
  marks: [],
  erasures: [],
  gone: new Set(),
  written: new Map(),
  doomed: new Map(),
  isThiefAbout: false,
  hasEnded: false,
};

const DROPPING: ReadonlySet<string> = new Set<Act>(["distrust", "is it trusted, and distrust after a while"]);
const STOPPING: ReadonlySet<string> = new Set<Act>(["stop acting", "stop acting after a while"]);

/** The secret that a request presented, as it was known. */
export const secretOf = ({ secrets }: Ghost, { cookies: { session } }: Running): Secret | undefined =>
  session === undefined ? undefined : secrets.get(digestIn(session));

/** Whether these cookies let Ada act as Bob: what was begun in this very session, and has not ended. */
export function mayAct({ ghost, rows }: World, { session, acting }: Jar, now: number): boolean {
  const known = acting === undefined ? undefined : ghost.acting.get(digestIn(acting));
  const host = session === undefined ? undefined : ghost.secrets.get(digestIn(session));
  const row = host && rows.sessions.get(host.row);
  return (
    known !== undefined &&
    known.endedBy === undefined &&
    now <= known.until &&
    session !== undefined &&
    known.host === digestIn(session) &&
    hex(row?.secret) === known.host &&
    row !== undefined &&
    now <= endOf(row)
  );
}

/** When the credential was checked on which a sign-in of this request rests. */
export function provedAtOf(ghost: Ghost, running: Running): number | undefined {
  const signIn = signInOf(running.act as never);
  if (running.act === "confirm and trust" || running.act === "act as Bob") return running.openedAt;
  if (signIn === undefined || signIn.kind === "completes") return secretOf(ghost, running)?.provedAt;
  return running.openedAt;
}

/** Session rows whose secret this step made, and what they were before. */
export function exchangedIn(before: World, after: World): { row: SessionRow; was: SessionRow | undefined }[] {
  return [...after.rows.sessions.values()].flatMap((row) => {
    const was = before.rows.sessions.get(row.id);
    return was !== undefined && hex(was.secret) === hex(row.secret) ? [] : [{ row, was }];
  });
}

/** What the step changed that later worlds must keep. */
export function remembered(before: World, step: Step): Ghost {
  const { world, moved } = step;
  const { ghost } = world;
  if (moved === undefined) return ghost;
  const { running } = moved.before;
  const secrets = secretsAfter(before, step);
  const gone = [...before.rows.sessions.keys()].filter((id) => !world.rows.sessions.has(id));
  const isAnswering = moved.progress.kind === "answering";
  const marks = marksAfter(step);
  const { doomed, all, handle } = endsIn(step);
  const inFlight = before.travellers.map(({ running: { id } }) => id);
  const dooming = inFlight.map((id) => [id, [...(ghost.doomed.get(id) ?? []), ...doomed]] as const);
  const trusts = trustsAfter(before, step);
  const by = running.act;
  const isMarking = marks.length > ghost.marks.length;
  const own = running.cookies.trust === undefined ? undefined : digestIn(running.cookies.trust);
  const hasDropped = DROPPING.has(by) && moved.progress.told.hasEnded === true;
  const isReplacing = trusts.size > ghost.trusts.size;
  const ended = [...trusts].map(([digest, trust]): [string, Trust] => {
    const isOwn = digest === own && (hasDropped || isReplacing);
    const isMarked = isMarking && ghost.trusts.has(digest) && trust.user === marks.at(-1)?.user;
    const isEnded = isOwn || isMarked || all || trust.handle === handle;
    return [digest, isEnded && trust.endedBy === undefined ? { ...trust, endedBy: by } : trust];
  });
  return {
    secrets,
    trusts: new Map(ended),
    acting: actingAfter(before, step, isMarking),
    couldAct: withFirst(ghost.couldAct, step, mayAct(before, running.cookies, world.now)),
    wasOwn: withFirst(ghost.wasOwn, step, running.cookies.acting !== undefined && isOwn(before, running)),
    marks,
    erasures: erasuresAfter(before, step),
    gone: gone.length === 0 ? ghost.gone : new Set([...ghost.gone, ...gone]),
    written: writtenAfter(before, step),
    doomed: doomed.length === 0 ? ghost.doomed : new Map([...ghost.doomed, ...dooming]),
    isThiefAbout: ghost.isThiefAbout,
    hasEnded:
      ghost.hasEnded ||
      (by === "logout" && isAnswering) ||
      by === "delete the account" ||
      moved.progress.events.includes("theft"),
  };
}

const withFirst = (known: ReadonlySet<number>, { moved }: Step, holds: boolean): ReadonlySet<number> =>
  holds && moved?.before.progress === undefined && moved !== undefined
    ? new Set([...known, moved.before.running.id])
    : known;

function isOwn({ ghost, rows }: World, running: Running): boolean {
  const secret = secretOf(ghost, running);
  const { session } = running.cookies;
  return (
    secret?.user === "ada" &&
    session !== undefined &&
    hex(rows.sessions.get(secret.row)?.secret) === digestIn(session)
  );
}

/** A revocation that has been answered, or a theft: all trust ends, or that of one device, also what is on its way. */
function endsIn({ moved }: Step): { doomed: string[]; all: boolean; handle: string | undefined } {
  const none = { doomed: [], all: false, handle: undefined };
  if (moved === undefined) return none;
  const { progress, before } = moved;
  const isLetIn = progress.opened !== undefined && before.progress?.opened === undefined;
  if (isLetIn && progress.events.includes("theft")) return { doomed: [EVERY], all: true, handle: undefined };
  const { act, handle } = before.running;
  const isDone = progress.kind === "answering" && progress.told.hasEnded === true;
  return act === "the device is revoked" && isDone ? { doomed: [handle], all: false, handle } : none;
}

const EVERY = "every device";

function secretsAfter(before: World, { world, moved }: Step): Ghost["secrets"] {
  const { ghost } = world;
  if (moved === undefined) return ghost.secrets;
  const { running } = moved.before;
  const made = exchangedIn(before, world).filter(
    ({ row }) => row.level !== "trust" && row.actorUserId === undefined,
  );
  if (made.length === 0) return ghost.secrets;
  const secrets = new Map(ghost.secrets);
  const presented = secretOf(ghost, running);
  const isSecondStep = signInOf(running.act as never)?.kind === "completes";
  if (presented?.kind === "half" && isSecondStep && running.cookies.session !== undefined)
    secrets.set(digestIn(running.cookies.session), { ...presented, isCompleted: true });
  for (const { row, was } of made) {
    const old = was && secrets.get(hex(was.secret));
    if (was !== undefined && old !== undefined)
      secrets.set(hex(was.secret), { ...old, replacedBy: running.act });
    const isHalf = row.pendingUserId !== undefined;
    const user = (isHalf ? row.pendingUserId : row.userId) as User | undefined;
    const isSigning = signInOf(running.act as never) !== undefined || running.act === "confirm and trust";
    secrets.set(hex(row.secret), {
      order: secrets.size,
      row: row.id,
      by: running.id,
      kind: isHalf ? "half" : user === undefined ? "nobody" : "in",
      user,
      provedAt:
        row.level === "remembered" ? undefined : isSigning ? provedAtOf(ghost, running) : old?.provedAt,
      until: running.openedAt + STEP,
      isCompleted: false,
      replacedBy: undefined,
    });
  }
  return secrets;
}

/** What ends an impersonation at once: an end of either user's devices, and Ada's stop. The rest follows from her session. */
function actingAfter(before: World, { world, moved }: Step, isMarking: boolean): Ghost["acting"] {
  const { ghost } = world;
  if (moved === undefined) return ghost.acting;
  const { running } = moved.before;
  const made = exchangedIn(before, world).filter(({ row }) => row.actorUserId !== undefined);
  const host = running.cookies.session === undefined ? "" : digestIn(running.cookies.session);
  const own = running.cookies.acting === undefined ? "" : digestIn(running.cookies.acting);
  const isStopped = STOPPING.has(running.act) && moved.progress.told.hasEnded === true;
  const ended = [...ghost.acting].map(([digest, acting]): [string, ActingSecret] => {
    const isOver = isMarking || (isStopped && digest === own);
    return [digest, isOver && acting.endedBy === undefined ? { ...acting, endedBy: running.act } : acting];
  });
  const begun = made.map(({ row }): [string, ActingSecret] => [
    hex(row.secret),
    { host, until: row.createdAt + ACTING, endedBy: undefined },
  ]);
  return new Map([...ended, ...begun]);
}

function trustsAfter(before: World, { world, moved }: Step): Ghost["trusts"] {
  const { ghost } = world;
  if (moved === undefined) return ghost.trusts;
  const { running } = moved.before;
  const made = exchangedIn(before, world).filter(({ row }) => row.level === "trust");
  const doomed = ghost.doomed.get(running.id) ?? [];
  const entries = made.map(({ row }): [string, Trust] => {
    const handle = row.handle ?? "";
    return [
      hex(row.secret),
      {
        user: row.userId as User,
        provedAt: running.act === "change the password" ? world.now : (provedAtOf(ghost, running) ?? -1),
        until: row.absoluteDeadline,
        by: running.id,
        handle,
        endedBy: doomed.includes(EVERY) || doomed.includes(handle) ? "what ended its device" : undefined,
      },
    ];
  });
  return entries.length === 0 ? ghost.trusts : new Map([...ghost.trusts, ...entries]);
}

function marksAfter({ world, moved }: Step): Ghost["marks"] {
  const { marks } = world.ghost;
  const change = changeOf(moved?.call);
  const isMarking = change?.kind === "revoke" || change?.kind === "erase";
  if (moved === undefined || !isMarking || change.mark === undefined) return marks;
  const { act, id } = moved.before.running;
  return [...marks, { user: userOf(act), at: world.now, by: id }];
}

function erasuresAfter(before: World, { world, moved }: Step): Ghost["erasures"] {
  const { erasures } = world.ghost;
  if (moved === undefined) return erasures;
  const { act, id: by } = moved.before.running;
  const isOver = moved.progress.events.includes("userErased");
  const known = erasures.map((one): Erasure => (one.by === by && isOver ? { ...one, isDone: true } : one));
  if (changeOf(moved.call)?.kind !== "erase") return known;
  const begun = before.travellers.flatMap(({ running, progress }) => (progress ? running.id : []));
  const underWay = new Set([...begun, by, ...before.waiting.map((one) => one.by)]);
  return [...known, { user: userOf(act), at: world.now, by, isDone: isOver, underWay }];
}

/** Whether a row holds what this request wrote. */
export const holds = ({ data }: SessionRow, id: number): boolean => data.includes(`"by${id}":`);

function writtenAfter(before: World, { world, moved }: Step): Ghost["written"] {
  const { written, secrets } = world.ghost;
  const { act = "read", id = 0 } = moved?.before.running ?? {};
  if ((act !== "write" && act !== "poll and write") || written.has(id)) return written;
  const row = [...world.rows.sessions.values()].find((each) => holds(each, id));
  const was = row && before.rows.sessions.get(row.id);
  const order = was && secrets.get(hex(was.secret))?.order;
  return order === undefined ? written : new Map([...written, [id, order]]);
}
