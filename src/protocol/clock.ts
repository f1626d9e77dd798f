/** Where psession gets the time from: epoch milliseconds. Tests and demos inject their own. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
