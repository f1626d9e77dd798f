import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { systemClock } from "../../src/protocol/clock.ts";
import { arrivalOf, readRequestStart } from "../../src/request/arrival.ts";
import { forgetClock, Moment, watchClock } from "../../src/request/moment.ts";
import { testApp } from "../support/app.ts";
import { MINUTE, TestClock } from "../support/clock.ts";

test.each([
  ["now where nobody knows", undefined, 1000],
  ["now where it is no time", Number.NaN, 1000],
  ["the time that was found out", -60, 940],
  ["never in the future", 60, 1000],
  ["never at the end of time", Number.POSITIVE_INFINITY, 1000],
  ["five minutes ago", -300, 700],
  ["and no longer ago", -301, 700],
  ["nor at the beginning of time", Number.NEGATIVE_INFINITY, 700],
])("a request arrived %s", (_, seconds, at) => {
  const now = 1000 * 1000;
  expect(arrivalOf({ arrivedAt: seconds && now + seconds * 1000 }, now)).toBe(at * 1000);
});

test.each([
  ["t=1893456000.123", 1_893_456_000_123],
  ["t=1893456000", 1_893_456_000_000],
  [" 1893456000.5 ", 1_893_456_000_500],
  ["1893456000123", 1_893_456_000_123],
  ["t=1893456000123.9", 1_893_456_000_123],
  ["t=1893456000123456", 1_893_456_000_123],
  // Nanoseconds, and times of another beginning, are not among what proxies send.
  ["1893456000123456789", undefined],
  ["t=12.5", undefined],
  ["0", undefined],
  ["", undefined],
  ["t=", undefined],
  ["T=1893456000", undefined],
  ["t=1e9", undefined],
  ["t=-1893456000", undefined],
  ["t=1893456000.", undefined],
  // What a visitor sent stands before what the proxy adds.
  ["t=1893456000, t=1893456090", undefined],
  [["t=1893456000"], undefined],
  [undefined, undefined],
  ["9".repeat(100_000), undefined],
])("a proxy's X-Request-Start: %s", (value, at) => {
  expect(readRequestStart(value)).toBe(at);
});

test("a moment is read off the clock of every psession that is open, and off the system's", async () => {
  const [first, second] = [testApp(), testApp()];
  const clockOf = ({ psession }: typeof first) => psession.core.settings.clock;
  second.clock.advance(MINUTE);
  const moment = new Moment();
  const came = [first.clock.now(), second.clock.now()];
  first.clock.advance(MINUTE);
  expect([moment.by(clockOf(first)), moment.by(clockOf(second))]).toEqual(came);
  expect(Math.abs((moment.by(systemClock) ?? 0) - Date.now())).toBeLessThan(MINUTE);
  await first.psession.close();
  expect(new Moment().by(clockOf(first))).toBeUndefined();
  expect(new Moment().by(clockOf(second))).toBe(came[1]);
  await second.psession.close();
});

test("the system's clock is taken as it is, and needs no watching", () => {
  const { psession } = testApp({ clock: systemClock as TestClock });
  expect(psession.core.settings.clock).toBe(systemClock);
});

test("a clock that throws does not end the process, and the others are read", () => {
  const broken = {
    now() {
      throw new Error("no time");
    },
  };
  const sound = new TestClock();
  watchClock(broken);
  watchClock(sound);
  const moment = new Moment();
  expect([moment.by(broken), moment.by(sound)]).toEqual([undefined, sound.now()]);
  forgetClock(broken);
  forgetClock(sound);
});

test("a psession that was dropped without being closed is not kept by its clock", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const dropped = (() => {
    const clock = new TestClock();
    watchClock(clock);
    return new WeakRef(clock);
  })();
  // A reference that was read in this turn is held until its end.
  for (let turn = 0; turn < 10 && dropped.deref() !== undefined; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  expect(dropped.deref()).toBeUndefined();
});
