import { PsessionError } from "../../errors.ts";
import { dangerouslyAllowInsecureHttp } from "../../options.ts";
import { createPsession, type Psession } from "../../psession.ts";
import { memoryStore } from "../../stores/memory/index.ts";
import { intercepted } from "../intercepted.ts";
import { Visitor } from "./client.ts";
import type { ContractData, HttpFace, ServedFace, Site } from "./face.ts";
import { ROUTES } from "./routes.ts";

/** What a story of the contract works with. */
export interface HttpScene {
  readonly psession: Psession<ContractData>;
  readonly isLazy: boolean;
  readonly url: string;
  /** Names of the store's methods that were called, in order. */
  readonly calls: string[];
  visitor(): Visitor;
  /** Adds a route, or replaces one. */
  route(path: string, handler: Site): void;
  /** Lets the next calls of this method of the store wait. */
  hold(method: string): Gate;
  /** Lets every call of this method fail as a store does that cannot be reached, until `recover`. */
  fail(method: string): void;
  recover(): void;
  /** Moves the clock, in milliseconds. */
  wait(time: number): void;
  /** Tells the server to stop, as at a deployment. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** A point that calls reach and wait at. */
export class Gate {
  #opening = Promise.withResolvers<void>();
  #waiting = 0;
  readonly #watching: { readonly count: number; resolve(): void }[] = [];

  async pass(): Promise<void> {
    this.#waiting++;
    for (const { count, resolve } of this.#watching) if (this.#waiting >= count) resolve();
    await this.#opening.promise;
  }

  /** Settles when so many have come. */
  reached(count = 1): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#watching.push({ count, resolve });
    if (this.#waiting >= count) resolve();
    return promise;
  }

  open(): void {
    this.#opening.resolve();
  }
}

export interface SceneOptions {
  /** Cookies that need https, as in production. */
  readonly secure?: boolean;
  readonly trustProxy?: boolean;
}

export type Stories = Record<string, Story>;
export type Story =
  | ((scene: HttpScene) => Promise<void>)
  | (SceneOptions & { readonly run: (scene: HttpScene) => Promise<void> });

export async function openScene(face: HttpFace, options: SceneOptions): Promise<HttpScene> {
  const calls: string[] = [];
  const failing = new Set<string>();
  const gates = new Map<string, Gate>();
  const visitors: Visitor[] = [];
  const routes = new Map<string, Site>(Object.entries(ROUTES));
  const clock = { time: Date.UTC(2030, 0, 1), now: () => clock.time };
  const store = intercepted(memoryStore(), async (name, call) => {
    calls.push(name);
    await gates.get(name)?.pass();
    if (failing.has(name)) throw new PsessionError("store_unavailable", "The store is down.");
    return call();
  });
  const psession = createPsession<ContractData>({
    store,
    keys: ["contract-q7Zr2Xw9Lk4Vt8Bn3Yc6Hd1F"],
    clock,
    prune: false,
    ...(options.secure === true ? {} : { [dangerouslyAllowInsecureHttp]: true }),
  });
  const site: Site = async (request) => {
    const route = routes.get(request.path);
    return route === undefined ? { status: 404, body: "no such page" } : route(request);
  };
  const served: ServedFace = await face.serve({ psession, site, trustProxy: options.trustProxy ?? false });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= served.close();
    return stopping;
  };
  return {
    psession,
    isLazy: face.isLazy,
    url: served.url,
    calls,
    visitor: () => {
      const visitor = new Visitor(served.url);
      visitors.push(visitor);
      return visitor;
    },
    route: (path, handler) => void routes.set(path, handler),
    hold: (method) => {
      const gate = new Gate();
      gates.set(method, gate);
      return gate;
    },
    fail: (method) => void failing.add(method),
    recover: () => failing.clear(),
    wait: (time) => {
      clock.time += time;
    },
    stop,
    close: () => {
      for (const visitor of visitors) visitor.leave();
      for (const gate of gates.values()) gate.open();
      return stop();
    },
  };
}
