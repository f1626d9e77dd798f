import { tagOfDevice } from "../devices.ts";
import type { ListedEntry } from "../store.ts";
import { tagIndex, userIndex } from "./keys.ts";
import { scripts } from "./lua/index.ts";
import { DamagedIndex, numberOf, textsOf } from "./replies.ts";
import { horizonOf } from "./rows.ts";
import { type Position, scan } from "./scan.ts";
import type { Server } from "./server.ts";
import { perSlot } from "./slots.ts";

/** Keys of one command, and so the rows that one script looks at while all other clients wait. */
const COUNT = 200;

/**
 * Does what needs the index of a user, which is made anew where something else is in its place: that must not keep a
 * caller from ending the user's devices.
 */
export async function withUserIndex<Result>(
  server: Server,
  user: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DamagedIndex && error.is(userIndex(user)))) throw error;
  }
  await remakeUserIndex(server, user);
  return work();
}

/**
 * From all rows there are. None is added meanwhile, as a sign-in fails as long as the index is damaged, so every row of
 * the user is there all along, and found. A row whose user cannot be read is left out: it signs no one in, and ends by
 * its handle, or when all sessions end.
 */
async function remakeUserIndex(server: Server, user: string): Promise<void> {
  const nodes = await server.nodes();
  const handles = new Set<string>();
  let until = 0;
  let position: Position | undefined;
  do {
    const scanned = await scan(server, nodes, position, COUNT);
    const deadline = server.deadline();
    const replies = await perSlot(server, scanned.handles, (key, ofSlot) =>
      server.run(scripts.own, [key], [user, ...ofSlot], deadline),
    );
    const words = replies.flatMap(textsOf);
    for (let at = 0; at < words.length; at += 2) {
      handles.add(words[at] ?? "");
      until = Math.max(until, numberOf(words[at + 1]));
    }
    position = scanned.next;
  } while (position !== undefined);
  await remake(server, userIndex(user), until, [...handles]);
}

/** Does what needs the index of a tag: where something else is in its place it is made anew from the user's own. */
export async function withTagIndex<Result>(
  server: Server,
  user: string,
  tags: readonly (string | undefined)[],
  devices: () => Promise<readonly ListedEntry[]>,
  work: () => Promise<Result>,
): Promise<Result> {
  let damaged: unknown;
  try {
    return await work();
  } catch (error) {
    damaged = error;
  }
  const tag = tags.find(
    (one) => one !== undefined && damaged instanceof DamagedIndex && damaged.is(tagIndex(user, one)),
  );
  if (tag === undefined) throw damaged;
  const entries = (await devices()).filter((entry) => tagOfDevice(entry) === tag);
  const rows = entries.flatMap(({ session, login }) => [
    ...(session === undefined
      ? []
      : [{ handle: `s:${session.id}`, until: horizonOf(session, session.lastSeenAt) }]),
    ...(login === undefined ? [] : [{ handle: `l:${login.id}`, until: horizonOf(login, login.lastUsedAt) }]),
  ]);
  const until = Math.max(0, ...rows.map((row) => row.until));
  await remake(
    server,
    tagIndex(user, tag),
    until,
    rows.map(({ handle }) => handle),
  );
  return work();
}

async function remake(
  server: Server,
  index: string,
  until: number,
  handles: readonly string[],
): Promise<void> {
  const args = [String(Math.ceil(until)), ...handles];
  numberOf(await server.run(scripts.remake, [server.keys.index(index)], args, server.deadline()));
}
