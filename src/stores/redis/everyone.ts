import type { Ended, EndSelector } from "../store.ts";
import { decodeEnded, encodeOrder } from "./changes.ts";
import { scripts } from "./lua/index.ts";
import { textsOf } from "./replies.ts";
import { type Position, scan } from "./scan.ts";
import type { Server } from "./server.ts";
import { perSlot } from "./slots.ts";

/** Keys of one command, and so the rows that one script ends while all other clients wait. */
const COUNT = 200;

/**
 * Reads through all keys and ends what it finds. A key that is there all along is found, and with it the other row of
 * its device: a login that was there when this began leads to whatever session it has been given since.
 */
export async function endEveryone(server: Server, selector: EndSelector): Promise<readonly Ended[]> {
  const order = encodeOrder(selector);
  const nodes = await server.nodes();
  const ended: Ended[] = [];
  let position: Position | undefined;
  do {
    const scanned = await scan(server, nodes, position, COUNT);
    const deadline = server.deadline();
    const replies = await perSlot(server, scanned.handles, (key, ofSlot) =>
      server.run(scripts.end, [key], [order, ...ofSlot], deadline),
    );
    ended.push(...replies.flatMap((reply) => decodeEnded(textsOf(reply))));
    position = scanned.next;
  } while (position !== undefined);
  return ended;
}
