import { type ChildProcess, fork } from "node:child_process";
import { on, once } from "node:events";

/** A script of the benchmark in a process of its own. Keeps its messages until `next` is called. */
export class Child {
  readonly #process: ChildProcess;
  readonly #messages: AsyncIterator<unknown[]>;

  constructor(script: string, values: readonly string[] = []) {
    this.#process = fork(new URL(script, import.meta.url), values, {
      execArgv: [...process.execArgv, "--expose-gc"],
      env: { ...process.env, NODE_ENV: "production" },
    });
    this.#messages = on(this.#process, "message", { close: ["exit"] });
  }

  send(message: object): void {
    this.#process.send(message);
  }

  /** The script's next message; throws if it ends instead. The reason is on stderr already. */
  async next(): Promise<unknown> {
    const { value, done } = await this.#messages.next();
    if (done === true)
      throw new Error(`A process of the benchmark ended with code ${this.#process.exitCode}.`);
    return (value as unknown[])[0];
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || !this.#process.connected) return;
    const hasEnded = once(this.#process, "exit");
    this.#process.disconnect();
    await hasEnded;
  }
}
