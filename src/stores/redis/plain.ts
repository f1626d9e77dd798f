import type { Change, ChangeResult, SessionRow, SessionUpdate } from "../store.ts";
import { nextCall } from "./changes.ts";
import { scripts } from "./lua/index.ts";
import { newSessionHead, sessionHead } from "./rows.ts";
import { type Server, textsOf } from "./server.ts";

/** A session that is new, and one that stays with its user and its login. */
export interface Plain {
  readonly insert?: SessionRow | undefined;
  readonly update?: SessionUpdate | undefined;
}

/** Most changes are of one session and nothing else, and scripts of their own do those. Undefined for others. */
export function plainOf(change: Change): Plain | undefined {
  const { rotate, hold, remember, insert, update, use, end, caps } = change;
  const others = rotate ?? hold ?? remember ?? use ?? end?.[0] ?? caps?.[0];
  if (others !== undefined) return undefined;
  if (insert !== undefined)
    return update === undefined && insert.rememberedId === undefined ? { insert } : undefined;
  const moves = update !== undefined && ("userId" in update.set || "rememberedId" in update.set);
  return update === undefined || moves ? undefined : { update };
}

export interface Inserted {
  readonly result: ChangeResult;
  /** Its user's index should be swept. */
  readonly isDue: boolean;
}

/** `indexKey`: of its user, where the script reaches it. */
export async function insertPlain(
  server: Server,
  row: SessionRow,
  deadline: number,
  indexKey?: string,
): Promise<Inserted> {
  const until = String(Math.ceil(row.absoluteDeadline));
  const by = nextCall();
  const head = { ...newSessionHead(row), by, ...(row.userId === undefined ? {} : { ix: until }) };
  const key = server.keys.session(row.id);
  const args = [by, `${JSON.stringify(head)}\n${row.data}`, String(Math.max(1, Math.ceil(row.pruneAfter)))];
  const reply = await (indexKey === undefined
    ? server.run(scripts.insert, [key], args, deadline)
    : server.run(scripts.insert, [key, indexKey], [...args, until, `s:${row.id}`], deadline));
  const [word, why] = textsOf(reply);
  return { result: resultOf(word, why), isDue: word === "due" };
}

/** Undefined, and nothing done, where the index of its user has to know. */
export async function savePlain(
  server: Server,
  { id, version, set }: SessionUpdate,
  deadline: number,
): Promise<ChangeResult | undefined> {
  const fields = { ...sessionHead(set), ve: String(version + 1) };
  const args = [nextCall(), String(version), JSON.stringify(fields)];
  if (set.data !== undefined) args.push(set.data);
  const [word, why] = textsOf(await server.run(scripts.save, [server.keys.session(id)], args, deadline));
  return word === "more" ? undefined : resultOf(word, why);
}

const resultOf = (word: string | undefined, why: string | undefined): ChangeResult =>
  word === "lost"
    ? { done: false, lost: why as Extract<ChangeResult, { done: false }>["lost"] }
    : { done: true, ended: [] };
