import type { StoreChannel } from "../store.ts";
import type { Node, Wire } from "./clients.ts";
import { isNoScript, timedOut, unavailable } from "./failures.ts";
import type { Keys } from "./keys.ts";
import type { Script } from "./lua/index.ts";
import { promiseOf } from "./replies.ts";

/** So many writes fit into the buffers of a connection whose server stands still. */
const MOST_AT_ONCE = 64;

/** Sends commands and scripts, and turns whatever goes wrong into `store_unavailable`. */
export class Server {
  readonly keys: Keys;
  readonly isCluster: boolean;
  readonly #wire: Wire;
  readonly #timeout: number;
  /** Commands that were sent and whose caller still waits. */
  #unanswered = 0;

  constructor(wire: Wire, keys: Keys, timeout: number) {
    this.keys = keys;
    this.isCluster = wire.isCluster;
    this.#wire = wire;
    this.#timeout = timeout;
  }

  /** Until when one call of the store may take, however many commands it sends. */
  deadline(since = performance.now()): number {
    return since + this.#timeout;
  }

  /** Sends a command to where `key` lives. */
  send(key: string, args: string[], deadline: number): Promise<unknown> {
    // A signal costs as much as all that psession does for a write, and takes back only commands that still wait.
    const isSentAtOnce = this.#unanswered < MOST_AT_ONCE && this.#wire.sendsAtOnce();
    const controller = isSentAtOnce ? undefined : new AbortController();
    this.#unanswered++;
    const send = () => this.#wire.send(key, args, controller?.signal);
    const answer = this.#within(deadline, send, key, controller);
    answer.then(this.#answered, this.#answered);
    return answer;
  }

  readonly #answered = (): void => {
    this.#unanswered--;
  };

  /** The same for reads, of which a few at most wait at a time: sent late they do no harm. */
  read(key: string, args: string[], deadline: number): Promise<unknown> {
    return this.#within(deadline, () => this.#wire.send(key, args, undefined), key);
  }

  /** The primaries. A client of a cluster knows them once it has sent something. */
  async nodes(): Promise<readonly Node[]> {
    const { prune } = this.keys;
    if (this.isCluster) await this.send(prune, ["GET", prune], this.deadline());
    return this.#wire.nodes();
  }

  sendTo(node: Node, args: string[], deadline = this.deadline()): Promise<unknown> {
    return this.#within(deadline, () => node.send(args));
  }

  /** Undefined where the client cannot subscribe. Clients put their `keyPrefix` before no channel. */
  get channel(): StoreChannel | undefined {
    const { subscribe } = this.#wire;
    if (subscribe === undefined) return undefined;
    const name = `${this.fullPrefix}ends`;
    return {
      publish: async (text) => {
        await this.send(this.keys.prune, ["PUBLISH", name, text], this.deadline());
      },
      subscribe: async (listener) => {
        try {
          return await subscribe(name, listener);
        } catch (error) {
          throw unavailable(error, this.keys);
        }
      },
    };
  }

  /** Names of keys as the server has them begin with this. */
  get fullPrefix(): string {
    return this.#wire.addsKeyPrefix ? this.#wire.keyPrefix + this.keys.prefix : this.keys.prefix;
  }

  #within(
    deadline: number,
    send: () => Promise<unknown>,
    key?: string,
    controller?: AbortController,
  ): Promise<unknown> {
    const left = Math.ceil(deadline - performance.now());
    if (left <= 0) return Promise.reject(timedOut(this.#timeout));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(timedOut(this.#timeout));
        // The command still runs; its result is ignored, and its rejection is handled.
        controller?.abort();
      }, left);
      const failed = (error: unknown) => {
        clearTimeout(timer);
        reject(isNoScript(error) ? error : unavailable(error, this.keys, key));
      };
      try {
        promiseOf(send()).then((reply) => {
          clearTimeout(timer);
          resolve(reply);
        }, failed);
      } catch (error) {
        failed(error);
      }
    });
  }

  /** Runs a script by its name; a server that does not know it yet, or no more, is sent its text. */
  async run(script: Script, keys: readonly [string, ...string[]], args: readonly string[], deadline: number) {
    const [key] = keys;
    const rest = [String(keys.length), ...keys, this.keys.endOf(key), ...args];
    try {
      return await this.send(key, ["EVALSHA", script.sha, ...rest], deadline);
    } catch (error) {
      if (!isNoScript(error)) throw error;
    }
    try {
      return await this.send(key, ["EVAL", script.text, ...rest], deadline);
    } catch (error) {
      throw unavailable(error, this.keys);
    }
  }
}
