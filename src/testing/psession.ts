import type { SessionData } from "../data/typing.ts";
import { dangerouslyAllowInsecureHttp, type PsessionOptions } from "../options/public.ts";
import { createPsession, type Psession } from "../psession.ts";
import { memoryStore } from "../stores/memory/index.ts";
import { expectPlainHttp } from "../telemetry/warnings.ts";
import { type TestClock, testClock } from "./clock.ts";

/** Options of `createPsession`, of which tests need none. */
export type TestPsessionOptions = Partial<Omit<PsessionOptions, "clock">> & {
  /** Default: a new one, which is given back. */
  clock?: TestClock;
};

/** A public key: `createPsession` refuses it in production together with plain http. */
const KEY = "for tests only: anybody can read this key";

/**
 * A psession for tests: in memory, over plain http as test clients speak it, on a clock that the test moves, and without
 * timers. `options` are those of `createPsession`, and count before these.
 */
export function testPsession<Data extends object = SessionData>(
  options: TestPsessionOptions = {},
): { readonly psession: Psession<Data>; readonly clock: TestClock } {
  const { clock = testClock(), ...given } = options;
  expectPlainHttp();
  const psession = createPsession<Data>({
    store: memoryStore(),
    keys: [KEY],
    prune: false,
    ...given,
    clock,
    // Last: nothing takes the public key to production.
    [dangerouslyAllowInsecureHttp]: true,
  });
  return { psession, clock };
}
