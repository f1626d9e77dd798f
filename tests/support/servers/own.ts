import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { inject } from "vitest";
import { whenDone } from "./cleanup.ts";

const run = promisify(execFile);

const ATTEMPTS = 600;
const BETWEEN_ATTEMPTS = 50;
const LOG_KEPT = 20_000;

/** The user that servers run as, where we are root, which they refuse to be. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export interface Plan {
  readonly name: string;
  readonly account: Account | undefined;
  readonly folder: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Ends the server without waiting for its clients. */
  readonly stopSignal: NodeJS.Signals;
  /** Connects; gives the folder that the server which answered keeps its data in, and rejects while it is not ready. */
  ask(): Promise<string>;
  /** Removes what a killed server leaves behind outside of its folder. */
  afterKill?(): Promise<unknown>;
}

/** A server of a test's own, which may be killed and come back on what it had stored. */
export class OwnServer {
  readonly #plan: Plan;
  #child: ChildProcess | undefined;
  #closed: Promise<unknown> = Promise.resolve();
  #log = "";

  constructor(plan: Plan) {
    this.#plan = plan;
    whenDone(async () => {
      await this.kill();
      rmSync(plan.folder, { recursive: true, force: true });
    });
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#plan.name} does not run.`);
    return this.#child.pid;
  }

  /** Starts it again after `stop` or `kill`; done when it lets us in. */
  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error(`${this.#plan.name} runs already.`);
    const { command, args, account, folder } = this.#plan;
    const [program = command, ...values] = [...dyingWithUs(), command, ...args];
    const child = spawn(program, values, { ...account, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    await once(child, "spawn");
    this.#child = child;
    this.#log = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#log = (this.#log + text).slice(-LOG_KEPT);
      });
    }
    // Its children write to the same pipes, so these close when the last of all its processes is gone.
    this.#closed = once(child, "close");
    try {
      await this.#ready(child);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** Ends it in good order, whatever its clients are doing. */
  async stop(): Promise<void> {
    this.#child?.kill(this.#plan.stopSignal);
    await this.#gone();
  }

  /** Ends it and all its processes on the spot, as a crash does. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      // Held, it neither reacts to the death of a child nor lets go of its number, which nobody else can get then.
      child.kill("SIGSTOP");
      const children = childrenOf(child.pid);
      for (const pid of children) killHard(pid);
      child.kill("SIGKILL");
      await this.#gone();
      // A process closes its pipes a moment before it is dead.
      while (children.some(isAlive)) await new Promise(setImmediate);
      await this.#plan.afterKill?.();
    }
    await this.#gone();
  }

  async #gone(): Promise<void> {
    await this.#closed;
    this.#child = undefined;
  }

  async #ready(child: ChildProcess): Promise<void> {
    const { name, folder, ask } = this.#plan;
    let reason: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`${name} ended instead of starting:\n${this.#log}`);
      }
      try {
        const answering = await ask();
        if (realpathSync(answering).startsWith(realpathSync(folder))) return;
        throw new Error(`${name}: another server, on ${answering}, has its port.`);
      } catch (error) {
        reason = error;
      }
      await pause(BETWEEN_ATTEMPTS);
    }
    throw new Error(`${name} does not answer (${reason}):\n${this.#log}`);
  }
}

/** What to start a server through so that it dies with these tests even when they are killed; Linux only. */
function dyingWithUs(): string[] {
  const setpriv = "/usr/bin/setpriv";
  return existsSync(setpriv) ? [setpriv, "--pdeathsig", "KILL", "--"] : [];
}

function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Without /proc none: a server's children notice by themselves that it is gone. */
export function childrenOf(pid: number): number[] {
  if (!existsSync("/proc/self/stat")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  const parent = statOf(pid)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** False for a process that is dead, also while nobody has asked how it ended. */
export function isAlive(pid: number): boolean {
  return !["Z", "X", undefined].includes(statOf(String(pid))?.[0]);
}

/** State, parent and so on, of a process that exists. */
function statOf(pid: string): string[] | undefined {
  try {
    // "pid (name) state parent …", and the name may hold anything.
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ");
  } catch {
    return undefined;
  }
}

/** The first of `names` that exists, or undefined where we are not root and start servers as we are. */
export function accountOf(...names: string[]): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of names) {
    try {
      const idOf = (flag: string) =>
        Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
      return { uid: idOf("-u"), gid: idOf("-g") };
    } catch {
      // No such user here.
    }
  }
  throw new Error(`Servers do not run as root, and none of these users exists: ${names.join(", ")}.`);
}

/** A new folder of this run's, which `account` can write to. */
export function ownFolder(name: string, account: Account | undefined): string {
  const folder = mkdtempSync(join(inject("serversFolder"), `${name}-`));
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  return folder;
}

const templates = new Map<string, Promise<string>>();

/**
 * A folder for a new server, with a copy of the data that `setUp(data)` makes; it runs once for all test files
 * of this run, or once in each that begins before the first is done.
 */
export async function folderWithData(
  name: string,
  account: Account | undefined,
  setUp: (data: string) => readonly [command: string, ...args: string[]],
): Promise<string> {
  const inside = (folder: string) => ({ ...account, cwd: folder });
  const prepare = async (): Promise<string> => {
    const ready = join(inject("serversFolder"), `template-${name}`);
    if (existsSync(ready)) return ready;
    const draft = ownFolder(`draft-${name}`, account);
    const [command, ...args] = setUp(join(draft, "data"));
    await run(command, args, inside(draft));
    try {
      renameSync(draft, ready);
    } catch (error) {
      if (!existsSync(ready)) throw error;
      rmSync(draft, { recursive: true });
    }
    return ready;
  };
  const template = templates.get(name) ?? prepare();
  templates.set(name, template);
  const folder = ownFolder(name, account);
  await run("cp", ["-a", join(await template, "data"), join(folder, "data")], inside(folder));
  return folder;
}
