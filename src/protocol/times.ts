/** The windows of the remember-me protocol, in milliseconds. docs/protocol.md derives them. */
export interface ProtocolTimes {
  /** W: how long after a rotation parallel requests are given the same successor. */
  readonly converge: number;
  /** D: the longest a response takes to reach the browser. */
  readonly delivery: number;
  /** R: the longest a request is on its way to the server. */
  readonly transit: number;
  /** L: how long the browser takes to write its cookies to disk. */
  readonly persist: number;
  /** K: how far the clocks of two servers may differ. */
  readonly skew: number;
  /** W + D + R + 2K: until then a predecessor may still be a request that is honestly on its way. */
  readonly mid: number;
  /** MID + L: from then on a browser that has the new token also has it on disk. */
  readonly settle: number;
  /** D + R + K: how long a replaced session secret may honestly still be on its way. */
  readonly grace: number;
  /** R + K: how long a superseded token may honestly still be on its way. */
  readonly flight: number;
  /** Q: how long after an exchange a request may arrive that the browser held back, with its cookies of before. */
  readonly queue: number;
  /** A: no honest body or queue takes longer, and a proxy's wrong clock moves a request no further back. */
  readonly arrival: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;

export const protocolTimes: ProtocolTimes = deriveTimes({
  converge: 10 * SECOND,
  delivery: 30 * SECOND,
  transit: 30 * SECOND,
  persist: 40 * SECOND,
  skew: 5 * SECOND,
  queue: 30 * MINUTE,
  arrival: 5 * MINUTE,
});

/** Completes the measured times with the four that follow from them. */
export function deriveTimes(base: Omit<ProtocolTimes, "mid" | "settle" | "grace" | "flight">): ProtocolTimes {
  const mid = base.converge + base.delivery + base.transit + 2 * base.skew;
  return {
    ...base,
    mid,
    settle: mid + base.persist,
    grace: base.delivery + base.transit + base.skew,
    flight: base.transit + base.skew,
  };
}
