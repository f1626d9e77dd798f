import type { Mark, Proof } from "../store.ts";
import { asText } from "./changes.ts";
import { scripts } from "./lua/index.ts";
import type { Server } from "./server.ts";

/**
 * Before anything is ended, as a step of its own. On a single server a change is one script, which comes before this one,
 * and then the ending finds what it made, or after it, and then it sees the mark.
 */
export async function setMark(server: Server, { name, at, until }: Mark, deadline: number): Promise<void> {
  await server.run(scripts.mark, [server.keys.mark(name)], [String(at), String(until)], deadline);
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
    const raw = asText(reply);
    return raw !== undefined && Number(raw.split(" ", 1)[0]) >= provedAt;
  });
}
