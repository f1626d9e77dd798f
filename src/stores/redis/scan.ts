import { SHARD_KEY_LENGTH } from "../../protocol/secrets.ts";
import type { Node } from "./clients.ts";
import { listOf, textOf, textsOf } from "./replies.ts";
import type { Server } from "./server.ts";

/** Where reading through all keys goes on: a server, and its cursor. */
export interface Position {
  readonly node: string;
  readonly cursor: string;
}

export interface Scanned {
  /** "s:" or "l:" and an id, as in the indexes of users. */
  readonly handles: readonly string[];
  readonly next: Position | undefined;
}

/** Reads a part of the keys of one server. What is there all along is seen, perhaps more than once. */
export async function scan(
  server: Server,
  nodes: readonly Node[],
  from: Position | undefined,
  count: number,
): Promise<Scanned> {
  // A server that is gone has given its keys to others: on with the next one by name.
  const at = from === undefined ? 0 : nodes.findIndex(({ name }) => name >= from.node);
  const node = nodes[at];
  if (node === undefined) return { handles: [], next: undefined };
  const cursor = node.name === from?.node ? from.cursor : "0";
  const args = ["SCAN", cursor, "MATCH", pattern(server.fullPrefix), "COUNT", String(count)];
  const [next, names] = listOf(await server.sendTo(node, args));
  const start = server.fullPrefix.length + SHARD_KEY_LENGTH + 2;
  const handles = textsOf(names).map((name) => name.slice(start));
  const later = nodes[at + 1];
  if (textOf(next) !== "0") return { handles, next: { node: node.name, cursor: textOf(next) } };
  return { handles, next: later === undefined ? undefined : { node: later.name, cursor: "0" } };
}

/** Rows, and no indexes or locks. */
const pattern = (prefix: string): string =>
  `${prefix.replace(/[\\*?[\]]/g, "\\$&")}{${"?".repeat(SHARD_KEY_LENGTH)}}[sl]:*`;
