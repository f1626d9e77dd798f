import { type Clock, systemClock } from "../protocol/clock.ts";

/** The clocks of all open psessions, other than the system's. Weak: one that is never closed is still collected. */
const injected = new Set<WeakRef<Clock>>();
const known = new WeakMap<Clock, WeakRef<Clock>>();
const collected = new FinalizationRegistry<WeakRef<Clock>>((reference) => injected.delete(reference));

/** From here on, moments are read off this clock too. */
export function watchClock(clock: Clock): void {
  if (clock === systemClock || known.has(clock)) return;
  const reference = new WeakRef(clock);
  known.set(clock, reference);
  injected.add(reference);
  collected.register(clock, reference);
}

export function forgetClock(clock: Clock): void {
  const reference = known.get(clock);
  if (reference === undefined) return;
  known.delete(clock);
  injected.delete(reference);
}

/** A moment by every clock in use, for what happens before it is known which psession will ask. */
export class Moment {
  readonly #bySystem = systemClock.now();
  readonly #byOthers = injected.size === 0 ? undefined : readings();

  /** Undefined for a clock that was not in use yet. */
  by(clock: Clock): number | undefined {
    return clock === systemClock ? this.#bySystem : this.#byOthers?.get(clock);
  }
}

function readings(): Map<Clock, number> {
  const all = new Map<Clock, number>();
  for (const reference of injected) {
    const clock = reference.deref();
    if (clock !== undefined) read(clock, all);
  }
  return all;
}

/** A clock that throws must not end the process: no caller catches what runs when a request arrives. */
function read(clock: Clock, into: Map<Clock, number>): void {
  try {
    into.set(clock, clock.now());
  } catch {
    // Opening the session reads the clock again, and throws there.
  }
}
