import type { AddressPage, AddressResult } from "../audit.ts";
import { endedRows, namesUser } from "../erasure.ts";
import type { Ended, EraseChange, RememberedRow, SessionRow, UserId, UserRows } from "../store.ts";
import { isHandle, othersIndex, tagIndex, userIndex } from "./keys.ts";
import { scripts } from "./lua/index.ts";
import { setMark } from "./marks.ts";
import { withUserIndex } from "./remake.ts";
import { numberOf, textsOf, wordOf } from "./replies.ts";
import { encodeUser, readLogin, readSession } from "./rows.ts";
import { scan } from "./scan.ts";
import type { Server } from "./server.ts";
import { perSlot } from "./slots.ts";

/** Members of an index that one command takes out. */
const CHUNK = 500;

/**
 * The mark first: on a single server a change is one script, and in a cluster it looks at the marks again when its rows are
 * there (`ClusterWriter`). Then in passes: from here on a row of the user is only made by a change of another one of them,
 * after the indexes were read perhaps. Where a pass finds nothing, there was nothing left to change.
 */
export async function erase(
  server: Server,
  { userId, realm = "", mark }: EraseChange,
): Promise<readonly Ended[]> {
  const user = encodeUser(userId);
  await setMark(server, mark, server.deadline());
  return withUserIndex(server, user, async () => {
    const ended: Ended[] = [];
    for (let isDone = false; !isDone; ) {
      const found = await erasePass(server, user, realm);
      ended.push(...endedRows(found, userId));
      isDone = found.sessions.length + found.logins.length === 0;
    }
    return ended;
  });
}

/** Rows first, and then what led to them: if the rest fails, the indexes still lead there. */
async function erasePass(server: Server, user: string, realm: string) {
  const indexed = await indexesOf(server, user);
  const handles = [...new Set([...indexed.values()].flat())].filter(isHandle);
  const deadline = server.deadline();
  const replies = await perSlot(server, handles, (key, ofSlot) =>
    server.run(scripts.erase, [key], [user, realm, ...ofSlot], deadline),
  );
  const words = replies.flatMap(textsOf);
  const kept = new Set<string>();
  const found = { sessions: [] as Gone[], logins: [] as Gone[] };
  for (let at = 0; at < words.length; at += 2) {
    const handle = words[at] ?? "";
    const fate = wordOf(words[at + 1], ["gone", "trust", "kept"]);
    const row = { id: handle.slice(2), level: fate === "trust" ? ("trust" as const) : ("login" as const) };
    if (fate === "kept") kept.add(handle);
    else (handle.startsWith("s:") ? found.sessions : found.logins).push(row);
  }
  for (const [index, members] of indexed) await takeOut(server, index, members, kept);
  return found;
}

interface Gone {
  readonly id: string;
  readonly level: "trust" | "login";
}

/** Every row that names the user. */
export async function rowsOf(server: Server, userId: UserId): Promise<UserRows> {
  const user = encodeUser(userId);
  return withUserIndex(server, user, async () => {
    const indexed = await indexesOf(server, user);
    const handles = [...new Set([...indexed.values()].flat())].filter(isHandle);
    const deadline = server.deadline();
    const replies = await perSlot(server, handles, (key, ofSlot) =>
      server.run(scripts.naming, [key], [user, ...ofSlot], deadline),
    );
    const words = replies.flatMap(textsOf);
    const rows: { sessions: SessionRow[]; logins: RememberedRow[] } = { sessions: [], logins: [] };
    for (let at = 0; at < words.length; at += 2) {
      const [handle = "", raw = ""] = words.slice(at, at + 2);
      const id = handle.slice(2);
      if (handle.startsWith("s:")) rows.sessions.push(readSession(id, raw, userId));
      else rows.logins.push(readLogin(id, raw, userId));
    }
    return { sessions: rows.sessions.filter((row) => namesUser(row, userId)), logins: rows.logins };
  });
}

/** Reads through all keys, as there is no index of when a session was used. */
export async function forgetAddresses(
  server: Server,
  { before, realm, after, limit }: AddressPage,
): Promise<AddressResult> {
  const nodes = await server.nodes();
  const from = after === undefined ? undefined : positionIn(after);
  const { handles, next } = await scan(server, nodes, from, limit);
  const deadline = server.deadline();
  const replies = await perSlot(server, handles, (key, ofSlot) =>
    server.run(scripts.forgetAddresses, [key], [String(before), realm, ...ofSlot], deadline),
  );
  const count = replies.map(numberOf).reduce((sum, one) => sum + one, 0);
  return { count, next: next && `${next.cursor} ${next.node}` };
}

function positionIn(text: string) {
  const [cursor = "0", ...node] = text.split(" ");
  return { cursor, node: node.join(" ") };
}

/** What each index of the user has, by its name: of all rows, of what else names the user, and of each tag. */
async function indexesOf(server: Server, user: string): Promise<Map<string, string[]>> {
  const membersOf = async (index: string) => {
    const key = server.keys.index(index);
    const words = textsOf(await server.run(scripts.readIndex, [key], [], server.deadline()));
    return words.filter((_, at) => at % 2 === 0);
  };
  // Before the others: what a list takes out of it meanwhile was written there first.
  const own = await membersOf(userIndex(user));
  const others = await membersOf(othersIndex(user));
  const tags = others.flatMap((member) => (member.startsWith("t:") ? member.slice(2) : []));
  const indexed = new Map<string, string[]>();
  for (const tag of tags) indexed.set(tagIndex(user, tag), await membersOf(tagIndex(user, tag)));
  indexed.set(userIndex(user), own);
  // Last, as it leads to the others.
  indexed.set(othersIndex(user), others);
  return indexed;
}

/** All that leads to no row which stays; what was added since stays as well. An index without members is gone. */
async function takeOut(
  server: Server,
  index: string,
  members: readonly string[],
  kept: ReadonlySet<string>,
): Promise<void> {
  const key = server.keys.index(index);
  const gone = members.filter((member) => !kept.has(member) && (isHandle(member) || kept.size === 0));
  for (let at = 0; at < gone.length; at += CHUNK) {
    const some = gone.slice(at, at + CHUNK);
    numberOf(await server.send(key, ["ZREM", key, ...some], server.deadline()));
  }
}
