import type { Ended, EndSelector } from "../store.ts";
import { decodeEnded, encodeOrder } from "./changes.ts";
import { scripts } from "./lua/index.ts";
import { textsOf, wordOf } from "./replies.ts";
import { encodeUser } from "./rows.ts";
import type { Server } from "./server.ts";

/** What scripts answer for a row whose user cannot be read. */
const WHOSE = "whose";

/** Ends a device by its handle, if it is the user's where one is named. */
export async function endByHandle(server: Server, handle: string, selector: EndSelector): Promise<Ended[]> {
  const { keys } = server;
  const run = async (owned?: boolean) =>
    textsOf(
      await server.run(
        scripts.end,
        [keys.session(handle), keys.login(handle)],
        [encodeOrder(selector, owned)],
        server.deadline(),
      ),
    );
  const words = await run();
  if (words[0] !== WHOSE || selector.userId === undefined) return decodeEnded(words);
  // The index still shows whether a damaged row is this user's.
  const index = keys.user(encodeUser(selector.userId));
  const handles = [`s:${handle}`, `l:${handle}`];
  const answer = wordOf(await server.run(scripts.has, [index], handles, server.deadline()), ["yes", "no"]);
  return answer === "yes" ? decodeEnded(await run(true)) : [];
}
