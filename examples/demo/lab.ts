import { randomUUID } from "node:crypto";
import { parseCookie } from "cookie";
import type { Request, Response } from "express";
import { BoundedMap } from "./bounded-map.ts";
import { Thief } from "./thief.ts";

export type Place = "clock" | "browser" | "thief";

/** What the lab keeps for one visitor. */
export interface Experiment {
  readonly thief: Thief;
  /** What the last button said, and next to which buttons it belongs. */
  said: { readonly place: Place; readonly message: string } | undefined;
}

const COOKIE = "psession-demo-lab";
const MOST_EXPERIMENTS = 100;

/** Each visitor's experiment, found by a cookie that has nothing to do with psession. In memory only. */
export class Lab {
  readonly #experiments = new BoundedMap<string, Experiment>(MOST_EXPERIMENTS);

  experimentOf(request: Request): Experiment | undefined {
    return this.#experiments.get(idOf(request));
  }

  /** The visitor's experiment, begun where there is none. */
  beginFor(request: Request, response: Response): Experiment {
    const present = this.experimentOf(request);
    const id = present === undefined ? randomUUID() : idOf(request);
    const experiment = present ?? { thief: new Thief(), said: undefined };
    // Set again even when present: the longest unused one is forgotten first.
    this.#experiments.set(id, experiment);
    if (present === undefined) response.cookie(COOKIE, id, { httpOnly: true, sameSite: "lax" });
    return experiment;
  }
}

const idOf = (request: Request): string => parseCookie(request.headers.cookie ?? "")[COOKIE] ?? "";
