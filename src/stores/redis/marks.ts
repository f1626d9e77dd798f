import type { Mark, Proof } from "../store.ts";
import { scripts } from "./lua/index.ts";
import { damaged, textOrNone, wordOf } from "./replies.ts";
import type { Server } from "./server.ts";

/**
 * Before anything is ended, as a step of its own. On a single server a change is one script: if it runs before this one,
 * the ending finds what it made; if after it, it sees the mark.
 */
export async function setMark(server: Server, { name, at, until }: Mark, deadline: number): Promise<void> {
  const args = [String(at), String(until)];
  wordOf(await server.run(scripts.mark, [server.keys.mark(name)], args, deadline), ["OK"]);
}

/** Where marks lie elsewhere than what rests on them. */
export async function isOutdated(
  server: Server,
  { marks, provedAt }: Proof,
  deadline: number,
): Promise<boolean> {
  const names = marks.map((name) => server.keys.mark(name));
  const found = await Promise.all(names.map((name) => server.send(name, ["GET", name], deadline)));
  return found.some((reply) => {
    const raw = textOrNone(reply);
    if (raw === undefined) return false;
    const at = /^(\S+) \S+$/.exec(raw)?.[1];
    if (!Number.isFinite(Number(at))) throw damaged("A mark");
    return Number(at) >= provedAt;
  });
}
