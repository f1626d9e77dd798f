import type { Server } from "node:http";
import type { Place } from "../stores.ts";
import type { Framework, Scenario, StoreName } from "../workload.ts";

/** A library on a framework with a store, set up for production as its own documentation recommends. */
export interface Contender {
  /** The library, and what is special about this way to use it: "@fastify/session, rolling: false". */
  readonly library: string;
  /** `floor`: the framework with only the statements that the work takes, by the bare driver. */
  readonly kind: "ours" | "peer" | "floor";
  readonly framework: Framework;
  readonly store: StoreName;
  /** Contenders on the same store with the same tables share them. */
  readonly tables: string;
  readonly scenarios: readonly Scenario[];
  /** Makes tables that are missing, too. */
  start(place: Place): Promise<Site>;
}

export interface Site {
  readonly server: Server;
  /** Remember cookies of that many browsers that signed in yesterday and were closed. */
  remembered?(count: number): Promise<string[]>;
}

export const idOf = ({ library, framework, store }: Pick<Contender, "library" | "framework" | "store">) =>
  `${library} / ${framework} / ${store}`;
