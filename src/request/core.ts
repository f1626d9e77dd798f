import type { Events } from "../events.ts";
import { UnknownKeys } from "../http/unknown-keys.ts";
import type { Settings } from "../options/settings.ts";
import { watchedStore } from "../stores/watched.ts";
import { ClockWatch } from "../upkeep/clock-watch.ts";
import { Endings } from "../upkeep/endings.ts";
import { Locks } from "../upkeep/locks.ts";
import { SignIns } from "./sign-ins.ts";
import type { Core } from "./state.ts";

/** What all requests of a service share. */
export function makeCore(given: Settings, events: Events): Core {
  const store = watchedStore(given.store, (change, result) => endings.changed(change, result));
  const settings = { ...given, store };
  const endings = new Endings(settings, events);
  return {
    settings,
    events,
    endings,
    locks: new Locks(store, settings.clock),
    unknownKeys: new UnknownKeys(events),
    signIns: new SignIns(),
    clocks: new ClockWatch(settings, events),
  };
}
