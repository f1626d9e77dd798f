import type { Change, ChangeResult, Proof, RememberedUse, SessionRow, SessionUpdate } from "../store.ts";
import { assertSiblings, decodeResult, encodeRotation, nextCall, usedHead } from "./changes.ts";
import { scripts } from "./lua/index.ts";
import { textsOf } from "./replies.ts";
import { horizonOf, newSessionHead, sessionHead } from "./rows.ts";
import type { Server } from "./server.ts";

/** A session that stays with its user and its login, which is rotated or used besides. */
export interface PlainSave {
  readonly update: SessionUpdate;
  readonly rotate?: Change["rotate"];
  readonly use?: RememberedUse | undefined;
}

/** A new session without a login, a tag, and anything else. */
export function plainInsert({ insert, proof, ...change }: Change): SessionRow | undefined {
  const { rotate, hold, stray, remember, update, use, end, caps } = change;
  if (proof !== undefined && insert?.userId === undefined) return undefined;
  const others = rotate ?? hold ?? stray ?? remember ?? update ?? use ?? end?.[0] ?? caps?.[0];
  const isMore = insert?.rememberedId !== undefined || insert?.tag !== undefined;
  return others === undefined && !isMore ? insert : undefined;
}

export function plainSave({ update, rotate, use, ...change }: Change): PlainSave | undefined {
  const { proof, hold, stray, remember, insert, end, caps } = change;
  const others =
    proof ?? hold ?? stray ?? remember ?? insert ?? end?.[0] ?? caps?.[0] ?? use?.confirm ?? (rotate && use);
  if (update === undefined || others !== undefined) return undefined;
  const moves = "userId" in update.set || "rememberedId" in update.set || "tag" in update.set;
  return moves ? undefined : { update, rotate, use };
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

/** Undefined, and nothing done, where the index of its user has to know. */
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
