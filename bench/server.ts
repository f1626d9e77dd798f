/**
 * One contender as a server, in a process of its own: `contender place-as-JSON [count]`. Reports its port, then
 * answers questions. With `count` it counts its statements, and is not to be measured.
 */
import type { AddressInfo } from "node:net";
import { CONTENDERS, idOf } from "./contenders/index.ts";
import { countStatements, statementsSent } from "./counting.ts";
import type { Place } from "./stores.ts";

export type Question =
  /** Microseconds of CPU so far. */
  | { readonly ask: "cpu" }
  /** Statements so far. */
  | { readonly ask: "statements" }
  /** Bytes in use after a full garbage collection. */
  | { readonly ask: "memory" }
  | { readonly ask: "remembered"; readonly count: number };

const [id, place = "", count] = process.argv.slice(2);
if (count !== undefined) countStatements();
const contender = CONTENDERS.find((candidate) => idOf(candidate) === id);
if (contender === undefined) throw new Error(`There is no contender ${id}.`);
const { server, remembered } = await contender.start(JSON.parse(place) as Place);

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return user + system;
    }
    case "statements":
      return statementsSent();
    case "memory": {
      // Twice, with a turn of the event loop between: memory that finalizers release is collected the second time.
      for (let time = 0; time < 2; time++) {
        globalThis.gc?.();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    }
    case "remembered":
      return remembered?.(question.count);
  }
}

server.listen(0, "127.0.0.1", () => {
  process.send?.((server.address() as AddressInfo).port);
});
process.on("message", async (question: Question) => process.send?.(await answer(question)));
process.on("disconnect", () => process.exit());
