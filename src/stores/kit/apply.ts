import { sameDigest } from "../../protocol/secrets.ts";
import { excessOf, isSpared, recordMark, sparedBy } from "../devices.ts";
import { endsDevice, handleIn } from "../endings.ts";
import type {
  ChangeParts,
  ChangeResult,
  Conflict,
  Ended,
  Ending,
  EndSelector,
  Mark,
  Proof,
  RememberedUse,
  Touch,
  UserEntry,
} from "../store.ts";
import { markKey } from "./keys.ts";
import type { Steps } from "./transaction.ts";
import type { Work } from "./work.ts";

/** A change of `Store.apply`: every condition of the protocol, on rows that no other transaction changes meanwhile. */
export function* applied(work: Work, change: ChangeParts): Steps<ChangeResult> {
  const conflict = yield* conflictOf(work, change);
  if (conflict !== undefined) return giveUp(work, conflict);
  const { rotate, stray, remember, insert, update, use, end = [], caps = [] } = change;
  if (rotate !== undefined) {
    const login = yield* work.login(rotate.id);
    const rotated = { ...rotate.set, generation: rotate.generation + 1, confirmedAt: undefined };
    if (login !== undefined) work.putLogin({ ...login, ...rotated }, login);
  }
  if (stray !== undefined) {
    const login = yield* work.login(stray.id);
    if (login !== undefined) work.putLogin({ ...login, strays: login.strays + 1 }, login);
  }
  if (remember !== undefined) work.putLogin(remember, undefined);
  if (insert !== undefined) work.putSession(insert, undefined);
  if (update !== undefined) {
    const row = yield* work.session(update.id);
    if (row !== undefined) work.putSession({ ...row, ...update.set, version: update.version + 1 }, row);
  }
  if (use !== undefined) yield* used(work, use);
  const spared = sparedBy(change);
  const ended: Ended[] = [];
  for (const ending of end) {
    const devices = (yield* namedBy(work, ending)).filter(
      (device) => !isSpared(device, spared) && endsDevice(ending, device),
    );
    ended.push(...endDevices(work, devices, ending));
  }
  const [first] = caps;
  const devices = first === undefined ? [] : yield* work.devicesOf(first.userId);
  for (const { cap, excess } of excessOf(devices, caps, spared)) {
    if (cap.overflow === "refuse" && excess.length > 0) return giveUp(work, "full");
    ended.push(...endDevices(work, excess as readonly UserEntry[], cap));
  }
  return { done: true, ended };
}

function giveUp(work: Work, conflict: Conflict): ChangeResult {
  work.writes.clear();
  return { done: false, conflict };
}

/** The first condition of a change that does not hold. */
function* conflictOf(
  work: Work,
  { proof, rotate, hold, stray, remember, insert, update }: ChangeParts,
): Steps<Conflict | undefined> {
  if (proof !== undefined && (yield* isOutdated(work, proof))) return "outdated";
  for (const guard of [rotate, hold]) {
    if (guard === undefined) continue;
    const login = yield* work.login(guard.id);
    if (login === undefined || login.revokedAt !== undefined || login.generation !== guard.generation)
      return "rotation";
  }
  if (stray !== undefined) {
    const login = yield* work.login(stray.id);
    const counts = login?.revokedAt === undefined && login?.generation === stray.generation;
    if (!counts || login.strays >= stray.max) return "strayed";
  }
  if (remember !== undefined && (yield* work.login(remember.id)) !== undefined) return "exists";
  if (insert !== undefined) {
    const { id, rememberedId } = insert;
    if ((yield* work.session(id)) !== undefined) return "exists";
    if (rememberedId !== undefined && (yield* work.ownerOf(rememberedId)) !== undefined) return "exists";
  }
  if (update !== undefined) {
    const row = yield* work.session(update.id);
    if (row === undefined) return "missing";
    if (row.version !== update.version) return "stale";
    const { rememberedId } = update.set;
    const owner = rememberedId === undefined ? undefined : yield* work.ownerOf(rememberedId);
    if (owner !== undefined && owner !== update.id) return "exists";
  }
  return undefined;
}

function* isOutdated(work: Work, { marks, provedAt }: Proof): Steps<boolean> {
  for (const name of marks) {
    const mark = yield* work.get<Mark>(markKey(name));
    if (mark !== undefined && mark.at >= provedAt) return true;
  }
  return false;
}

export function* marked(work: Work, mark: Mark): Steps<void> {
  const key = markKey(mark.name);
  const before = yield* work.get<Mark>(key);
  const at = Math.max(before?.at ?? mark.at, mark.at);
  const until = Math.max(before?.until ?? mark.until, mark.until);
  work.keep(key, before?.until, { name: mark.name, at, until }, until);
}

/** The devices whose rows an ending names, one at most for each of the two. */
function* namedBy(work: Work, { session, login }: Ending): Steps<UserEntry[]> {
  const one = session === undefined ? undefined : yield* work.deviceOfSession(session.id);
  const other = login === undefined ? undefined : yield* work.deviceOfLogin(login.id);
  const isSame = one?.session !== undefined && one.session.id === other?.session?.id;
  return [one, isSame ? undefined : other].filter((device) => device !== undefined);
}

export function endDevices(
  work: Work,
  devices: readonly UserEntry[],
  { reason, at, pruneAfter }: Pick<EndSelector, "reason" | "at" | "pruneAfter">,
): Ended[] {
  return devices.map(({ session, login }) => {
    if (session !== undefined) work.dropSession(session);
    if (login !== undefined) {
      const generation = login.generation + 1;
      work.putLogin({ ...login, generation, revokedAt: at, revokedReason: reason, pruneAfter }, login);
    }
    const userId = session?.userId ?? login?.userId;
    const ofRows = { ...handleIn(session, login), ...recordMark(session) };
    return { sessionId: session?.id, rememberedId: login?.id, userId, reason, ...ofRows };
  });
}

export function* touched(work: Work, touches: readonly Touch[]): Steps<void> {
  for (const { sessionId, lastSeenAt, idleDeadline, pruneAfter, remembered } of touches) {
    const row = yield* work.session(sessionId);
    if (row !== undefined) {
      const kept = {
        idleDeadline: idleDeadline ?? row.idleDeadline,
        pruneAfter: Math.max(row.pruneAfter, pruneAfter),
      };
      work.putSession({ ...row, lastSeenAt, ...kept }, row);
    }
    if (remembered !== undefined) yield* used(work, remembered);
  }
}

function* used(
  work: Work,
  { id, lastUsedAt, idleDeadline, pruneAfter, confirm }: RememberedUse,
): Steps<void> {
  const login = yield* work.login(id);
  if (login === undefined || login.revokedAt !== undefined) return;
  const confirms =
    confirm !== undefined &&
    login.confirmedAt === undefined &&
    login.generation === confirm.generation &&
    sameDigest(login.token, confirm.token);
  const confirmedAt = confirms ? confirm.at : login.confirmedAt;
  work.putLogin({ ...login, lastUsedAt, idleDeadline, pruneAfter, confirmedAt }, login);
  const session = confirms ? yield* work.sessionOfLogin(id) : undefined;
  if (session !== undefined) work.putSession({ ...session, confirmFrom: undefined }, session);
}
