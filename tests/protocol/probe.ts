import type { CookieInstruction } from "../../src/http/cookies.ts";
import type { RequestState } from "../../src/request/state.ts";
import type { Handler } from "./handlers.ts";
import type { Jar, Runner, Running } from "./request.ts";
import { perform, type Rows } from "./rows.ts";

export interface Probe {
  readonly isServed: boolean;
  readonly user: unknown;
  readonly events: readonly string[];
  readonly rows: Rows;
  readonly cookies: readonly CookieInstruction[];
}

interface Probing {
  readonly handler?: Handler;
  readonly arrivedAt?: number;
  readonly isFromElsewhere?: boolean;
  /** Requests of one id draw the same random bytes. */
  readonly id?: number;
}

let probes = 0;

/** One whole request with nothing beside it. */
export async function probe(
  rows: Rows,
  jar: Jar,
  now: number,
  runner: Runner,
  { handler = "read", id, ...how }: Probing = {},
): Promise<Probe> {
  probes++;
  let running: Running = {
    id: id ?? -probes - 1,
    cookies: jar,
    handler,
    slot: 0,
    skew: 0,
    openedAt: now,
    ...how,
    answers: [],
    commitAt: undefined,
  };
  let current = rows;
  let state: RequestState | undefined;
  let isServed = false;
  let user: unknown;
  while (true) {
    const progress = await runner.run(running);
    if (progress.kind === "answering") {
      const { events, cookies } = progress;
      return { isServed, user, events, rows: current, cookies };
    }
    if (progress.kind === "handling") {
      state = progress.state;
      const { standing } = state;
      isServed = standing.kind !== "none" && standing.kind !== "detached";
      if (standing.kind === "remembered") user = standing.login.userId;
      else if ("session" in standing) user = standing.session.userId;
      running = { ...running, commitAt: now };
      continue;
    }
    const performed = await perform(runner.library, current, progress.call);
    current = performed.rows;
    running = { ...running, answers: [...running.answers, { value: performed.value, at: now }] };
  }
}
