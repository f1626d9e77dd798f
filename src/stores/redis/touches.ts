import { shardKeyOf } from "../../protocol/secrets.ts";
import { publishBatch } from "../../telemetry/tracing.ts";
import type { Touch } from "../store.ts";
import { assertSiblings, encodeTouch } from "./changes.ts";
import { withIndexes } from "./indexes.ts";
import { scripts } from "./lua/index.ts";
import type { Server } from "./server.ts";

/** Touches of one script: enough to spare round trips, and no more than others can wait for. */
const MOST = 64;

interface Call {
  readonly touches: readonly Touch[];
  resolve(): void;
  reject(error: unknown): void;
}

/** Collects the touches of one tick and sends them together: one script on a single server, else one per slot. */
export class Touches {
  readonly #server: Server;
  readonly #store: string;
  #calls: Call[] = [];
  #since = 0;

  /** `store`: the store's name on the diagnostics channel of batches. */
  constructor(server: Server, store: string) {
    this.#server = server;
    this.#store = store;
  }

  add(touches: readonly Touch[]): Promise<void> {
    for (const { sessionId, remembered } of touches)
      if (remembered !== undefined) assertSiblings([sessionId, remembered.id]);
    if (this.#calls.length === 0) {
      this.#since = performance.now();
      setImmediate(() => this.#flush());
    }
    return new Promise((resolve, reject) => this.#calls.push({ touches, resolve, reject }));
  }

  #flush(): void {
    const deadline = this.#server.deadline(this.#since);
    const calls = this.#calls;
    this.#calls = [];
    const sent = new Map<Touch, Promise<void>>();
    for (const group of this.#groups(calls.flatMap(({ touches }) => touches))) {
      const done = this.#send(group, deadline);
      // Each call awaits its own groups; the rejection of a group that no call awaits is handled here.
      done.catch(() => {});
      for (const touch of group) sent.set(touch, done);
    }
    for (const { touches, resolve, reject } of calls)
      Promise.all(touches.map((touch) => sent.get(touch))).then(() => resolve(), reject);
  }

  #groups(touches: readonly Touch[]): Touch[][] {
    if (this.#server.isCluster)
      return [...Map.groupBy(touches, ({ sessionId }) => shardKeyOf(sessionId)).values()];
    const groups: Touch[][] = [];
    for (let at = 0; at < touches.length; at += MOST) groups.push(touches.slice(at, at + MOST));
    return groups;
  }

  async #send(touches: readonly Touch[], deadline: number): Promise<void> {
    const { keys } = this.#server;
    const named = new Set(
      touches.flatMap(({ sessionId, remembered }) => [
        keys.session(sessionId),
        ...(remembered === undefined ? [] : [keys.login(remembered.id)]),
      ]),
    );
    const [first, ...rest] = named;
    if (first === undefined) return;
    publishBatch(this.#store, "touch", touches.length);
    const encoded = touches.map(encodeTouch);
    await withIndexes(this.#server, deadline, [], (written) =>
      this.#server.run(
        scripts.touch,
        [first, ...rest],
        [JSON.stringify({ touches: encoded, ...written })],
        deadline,
      ),
    );
  }
}
