import { randomUUID } from "node:crypto";
import { parseCookie } from "cookie";
import type { Request, Response } from "express";
import type { Level, UserId } from "psession";
import { BoundedMap } from "./bounded-map.ts";
import { Thief } from "./thief.ts";

/** How a browser was known when it last visited. */
export interface Visit {
  readonly level: Level;
  readonly userId: UserId | undefined;
  readonly at: number;
}

/** What the lab keeps for one visitor. */
export interface Experiment {
  readonly thief: Thief;
  /** Undefined where the browser has not visited since it was closed. */
  visit: Visit | undefined;
  thiefVisit: Visit | undefined;
  /** The message of the last button. */
  said: string | undefined;
}

const COOKIE = "psession-demo-lab";
const MOST_EXPERIMENTS = 100;
const DAY = 86_400_000;

/** Each visitor's experiment, found by a cookie that has nothing to do with psession. In memory only. */
export class Lab {
  readonly #experiments = new BoundedMap<string, Experiment>(MOST_EXPERIMENTS);

  experimentOf(request: Request): Experiment | undefined {
    return this.#experiments.get(idOf(request));
  }

  /** The visitor's experiment, begun if there is none. */
  beginFor(request: Request, response: Response): Experiment {
    const present = this.experimentOf(request);
    const id = present === undefined ? randomUUID() : idOf(request);
    const experiment = present ?? newExperiment();
    // Set again even when present: the longest unused one is forgotten first.
    this.#experiments.set(id, experiment);
    // With a lifetime: visitors who really close the browser find the thief where they left it.
    if (present === undefined) response.cookie(COOKIE, id, { maxAge: DAY, httpOnly: true, sameSite: "lax" });
    return experiment;
  }
}

function newExperiment(): Experiment {
  return { thief: new Thief(), visit: undefined, thiefVisit: undefined, said: undefined };
}

const idOf = (request: Request): string => parseCookie(request.headers.cookie ?? "")[COOKIE] ?? "";
