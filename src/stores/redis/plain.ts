import type {
  ChangeParts,
  ChangeResult,
  Proof,
  RememberedUse,
  SessionRow,
  SessionUpdate,
  Write,
} from "../store.ts";
import { assertSiblings, decodeResult, encodeRotation, nextCall, usedHead } from "./changes.ts";
import { scripts } from "./lua/index.ts";
import { textsOf } from "./replies.ts";
import { horizonOf, newSessionHead, sessionHead } from "./rows.ts";
import type { Server } from "./server.ts";

/** A session that stays with its user and its login, which is rotated or used besides. */
export interface PlainSave {
  readonly update: SessionUpdate;
  readonly rotate?: ChangeParts["rotate"];
  readonly use?: RememberedUse | undefined;
}

/** A session of whose users an index besides its own user's has to know. */
const namesOthers = ({ pendingUserId, actorUserId }: Partial<SessionRow>): boolean =>
  pendingUserId !== undefined || actorUserId !== undefined;

/** A new session without a login, a tag, and anything else. */
export function plainInsert(change: Write): SessionRow | undefined {
  if ("insert" in change && change.insert !== undefined && namesOthers(change.insert)) return undefined;
  if (change.kind === "create") return change.insert;
  if (change.kind !== "signIn" || (change.end?.length ?? 0) + (change.caps?.length ?? 0) > 0)
    return undefined;
  const { insert, remember, proof } = change;
  const isPlain = remember === undefined && insert?.rememberedId === undefined && insert?.tag === undefined;
  return isPlain && (proof === undefined || insert?.userId !== undefined) ? insert : undefined;
}

/** `Save` and `Restore` leave the session's user, login and tag as they are, so that no index has to know of them. */
export function plainSave(change: Write): PlainSave | undefined {
  if ("update" in change && change.update !== undefined && namesOthers(change.update.set)) return undefined;
  if (change.kind === "restore") {
    const { rotate, update, proof } = change;
    return update === undefined || proof !== undefined ? undefined : { update, rotate };
  }
  if (change.kind !== "save" || change.proof !== undefined || change.use?.confirm !== undefined)
    return undefined;
  return { update: change.update, use: change.use };
}

/** `indexKey`: of its user, where the script reaches it, and with it the marks of a proof. */
export async function insertPlain(
  server: Server,
  row: SessionRow,
  deadline: number,
  indexKey?: string,
  proof?: Proof,
): Promise<ChangeResult> {
  const until = String(Math.ceil(horizonOf(row, row.lastSeenAt)));
  const by = nextCall();
  const head = { ...newSessionHead(row), by, ...(row.userId === undefined ? {} : { ix: until }) };
  const key = server.keys.session(row.id);
  const args = [by, `${JSON.stringify(head)}\n${row.data}`, String(Math.max(1, Math.ceil(row.pruneAfter)))];
  const reply = await (indexKey === undefined
    ? server.run(scripts.insert, [key], args, deadline)
    : server.run(
        scripts.insert,
        [key, indexKey, ...(proof?.marks ?? []).map((name) => server.keys.mark(name))],
        [...args, until, `s:${row.id}`, ...(proof === undefined ? [] : [String(proof.provedAt)])],
        deadline,
      ));
  return decodeResult(textsOf(reply));
}

/** Undefined, and nothing done, where the index of its user has to be written too. */
export async function savePlain(
  server: Server,
  { update, rotate, use }: PlainSave,
  deadline: number,
): Promise<ChangeResult | undefined> {
  const { id, version, set } = update;
  const fields = { ...sessionHead(set), ve: String(version + 1) };
  const ofLogin = rotate === undefined ? use && usedHead(use) : encodeRotation(rotate);
  const args = [nextCall(), String(version), JSON.stringify(fields)];
  args.push(rotate === undefined ? "" : String(rotate.generation), JSON.stringify(ofLogin ?? {}));
  if (set.data !== undefined) args.push(set.data);
  const { keys } = server;
  const loginId = rotate?.id ?? use?.id;
  if (loginId !== undefined) assertSiblings([id, loginId]);
  const named: [string, ...string[]] =
    loginId === undefined ? [keys.session(id)] : [keys.session(id), keys.login(loginId)];
  const words = textsOf(await server.run(scripts.save, named, args, deadline));
  return words[0] === "more" ? undefined : decodeResult(words);
}
