import { PsessionError } from "../../errors.ts";
import {
  dangerouslyAllowInsecureHttp,
  type PassiveRule,
  type PsessionOptions,
} from "../../options/public.ts";
import { createPsession, type Psession } from "../../psession.ts";
import type { RequestFacts } from "../../request/facts.ts";
import { memoryStore } from "../../stores/memory/index.ts";
import { intercepted } from "../intercepted.ts";
import { Visitor } from "./client.ts";
import type { ContractData, HttpIntegration, Site } from "./integration.ts";
import { ROUTES } from "./routes.ts";

const DAY = 86_400_000;

/** What a case of the contract works with. */
export interface HttpFixture {
  readonly psession: Psession<ContractData>;
  readonly isLazy: boolean;
  readonly url: string;
  /** Names of the store's methods that were called, in order. */
  readonly calls: string[];
  /** The facts that the integration gave of each request whose session it opened. */
  readonly exchanges: { readonly facts: RequestFacts; readonly token: object }[];
  readonly seesHeads: boolean;
  /** How often the options were asked for, where they come as a function. */
  asked(): number;
  visitor(): Visitor;
  /** A visitor who has tea in the cart. */
  shopper(): Promise<Visitor>;
  /** A visitor who is signed in as ada, with a remembered login or without. */
  member(remember?: "remember"): Promise<Visitor>;
  /** A remembered visitor whose browser was closed, a day later. */
  returning(): Promise<Visitor>;
  /** Adds a route, or replaces one. */
  route(path: string, handler: Site): void;
  /** Lets the next calls of this method of the store wait. */
  hold(method: string): Gate;
  /** Lets every call of this method fail as a store does that cannot be reached, until `recover`. */
  fail(method: string): void;
  recover(): void;
  /** Lets requests to this path wait before the sessions. In cases that are slow. */
  before(path: string): Gate;
  now(): number;
  /** Moves the clock, in milliseconds. */
  wait(time: number): void;
  /** Stops the server, as at a deployment. */
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

function gateIn(gates: Map<string, Gate>, name: string): Gate {
  const gate = new Gate();
  gates.set(name, gate);
  return gate;
}

export interface CaseOptions {
  /** Cookies that need https, as in production. */
  readonly secure?: boolean;
  readonly trustProxy?: boolean;
  /** Something stands before the sessions that takes its time. */
  readonly isSlow?: boolean;
  /** The option `proxy.requestStart`. */
  readonly requestStart?: string;
  /** The option `session.isPassive`. */
  readonly isPassive?: PassiveRule;
  /** The option `deviceBound`. */
  readonly deviceBound?: PsessionOptions["deviceBound"];
  /** The options come as a function, which fails so often before it gives them. */
  readonly failsToStart?: number;
}

export type HttpCases = Record<string, HttpCase>;
export type HttpCase =
  | ((fixture: HttpFixture) => Promise<void>)
  | (CaseOptions & { readonly run: (fixture: HttpFixture) => Promise<void> });

export async function openFixture(integration: HttpIntegration, options: CaseOptions): Promise<HttpFixture> {
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
  const settings: PsessionOptions = {
    store,
    keys: ["contract-q7Zr2Xw9Lk4Vt8Bn3Yc6Hd1F"],
    clock,
    prune: false,
    ...(options.requestStart === undefined ? {} : { proxy: { requestStart: options.requestStart } }),
    ...(options.isPassive === undefined ? {} : { session: { isPassive: options.isPassive } }),
    ...(options.deviceBound === undefined ? {} : { deviceBound: options.deviceBound }),
    ...(options.secure === true ? {} : { [dangerouslyAllowInsecureHttp]: true }),
  };
  const { failsToStart } = options;
  let asked = 0;
  const later = () => {
    asked++;
    if (asked <= (failsToStart ?? 0)) throw new Error("There is no environment yet.");
    return settings;
  };
  const psession = createPsession<ContractData>(failsToStart === undefined ? settings : later);
  const exchanges: { facts: RequestFacts; token: object }[] = [];
  const begin = psession.exchange.bind(psession);
  psession.exchange = ((facts: RequestFacts, make: never) => {
    const exchange = begin(facts, make);
    exchanges.push(exchange);
    return exchange;
  }) as typeof psession.exchange;
  const before = new Map<string, Gate>();
  const site: Site = async (request) => {
    const route = routes.get(request.path);
    return route === undefined ? { status: 404, body: "no such page" } : route(request);
  };
  const served = await integration.serve({
    psession,
    site,
    trustProxy: options.trustProxy ?? false,
    before: options.isSlow === true ? async ({ path }) => before.get(path)?.pass() : undefined,
  });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= served.close();
    return stopping;
  };
  const visitor = () => {
    const one = new Visitor(served.url);
    visitors.push(one);
    return one;
  };
  const member = async (remember?: "remember") => {
    const ada = visitor();
    await ada.post(remember === undefined ? "/login" : "/login?remember");
    return ada;
  };
  return {
    psession,
    isLazy: integration.isLazy,
    url: served.url,
    calls,
    exchanges,
    seesHeads: integration.seesHeads,
    asked: () => asked,
    visitor,
    shopper: async () => {
      const ada = visitor();
      await ada.get("/add?item=tea");
      return ada;
    },
    member,
    returning: async () => {
      const ada = await member("remember");
      ada.restart();
      clock.time += DAY;
      return ada;
    },
    route: (path, handler) => void routes.set(path, handler),
    hold: (method) => gateIn(gates, method),
    fail: (method) => void failing.add(method),
    recover: () => failing.clear(),
    before: (path) => gateIn(before, path),
    now: clock.now,
    wait: (time) => {
      clock.time += time;
    },
    stop,
    close: () => {
      for (const visitor of visitors) visitor.leave();
      for (const gate of [...gates.values(), ...before.values()]) gate.open();
      return stop();
    },
  };
}
