import type { Events } from "../events.ts";
import { UnknownKeys } from "../http/unknown-keys.ts";
import type { Settings } from "../options/settings.ts";
import { ClockWatch } from "../upkeep/clock-watch.ts";
import { Locks } from "../upkeep/locks.ts";
import { SignIns } from "./sign-ins.ts";
import type { Core } from "./state.ts";

/** What all requests of a service share. */
export function makeCore(settings: Settings, events: Events): Core {
  const { store, clock } = settings;
  return {
    settings,
    events,
    locks: new Locks(store, clock),
    unknownKeys: new UnknownKeys(events),
    signIns: new SignIns(),
    clocks: new ClockWatch(settings, events),
  };
}
