import { randomUUID } from "node:crypto";
import { parseCookie } from "cookie";
import type { Request, Response } from "express";
import type { Level, Psession, UserId } from "psession";
import { BoundedMap } from "./bounded-map.ts";
import type { Site } from "./site.ts";
import { Thief } from "./thief.ts";

/** How a browser was known when it last visited. */
export interface Visit {
  readonly level: Level;
  readonly userId: UserId | undefined;
  /** What lists of devices call it. */
  readonly handle: string;
  readonly at: number;
}

/** The key that a session is bound to. */
export interface SeenKey {
  readonly algorithm: string;
  readonly since: number;
}

/** What the lab keeps for one visitor. */
export interface Experiment {
  readonly thief: Thief;
  /** Undefined where the browser has not visited since it was closed. */
  visit: Visit | undefined;
  thiefVisit: Omit<Visit, "handle"> | undefined;
  /** Pages of this browser that wait for the end of their session. */
  openPages: number;
  /** The message of the last button. */
  said: string | undefined;
}

const COOKIE = "psession-demo-lab";
const MOST_EXPERIMENTS = 100;
const MOST_KEYS = 1000;
const DAY = 86_400_000;

/** Each visitor's experiment, found by a cookie that has nothing to do with psession. In memory only. */
export class Lab {
  readonly #site: Site;
  readonly #experiments = new BoundedMap<string, Experiment>(MOST_EXPERIMENTS);
  readonly #keys = new BoundedMap<string, SeenKey>(MOST_KEYS);

  constructor(psession: Psession, site: Site) {
    this.#site = site;
    psession.on(
      "bound",
      ({ handle, algorithm, at }) => void this.#keys.set(handle, { algorithm, since: at }),
    );
  }

  /** The key of a device, where it was registered since the demo was started. */
  keyOf(handle: string | undefined): SeenKey | undefined {
    return handle === undefined ? undefined : this.#keys.get(handle);
  }

  experimentOf(request: Request): Experiment | undefined {
    return this.#experiments.get(idOf(request));
  }

  /** The visitor's experiment, begun if there is none. */
  beginFor(request: Request, response: Response): Experiment {
    const present = this.experimentOf(request);
    const id = present === undefined ? randomUUID() : idOf(request);
    const experiment = present ?? newExperiment(this.#site);
    // Set again even when present: the longest unused one is forgotten first.
    this.#experiments.set(id, experiment);
    // With a lifetime: visitors who really close the browser find the thief where they left it.
    const secure = this.#site.scheme === "https";
    if (present === undefined)
      response.cookie(COOKIE, id, { maxAge: DAY, httpOnly: true, secure, sameSite: "lax" });
    return experiment;
  }

  /** A page of the visitor's browser waits for the end of its session. Returns the function to call when it is left. */
  pageOpened(request: Request): () => void {
    const experiment = this.experimentOf(request);
    if (experiment === undefined) return () => {};
    experiment.openPages += 1;
    return () => {
      experiment.openPages -= 1;
    };
  }
}

function newExperiment(site: Site): Experiment {
  return { thief: new Thief(site), visit: undefined, thiefVisit: undefined, openPages: 0, said: undefined };
}

const idOf = (request: Request): string => parseCookie(request.headers.cookie ?? "")[COOKIE] ?? "";
