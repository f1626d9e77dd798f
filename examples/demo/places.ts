import type { PlaceLookup } from "psession";

/**
 * Stands in for a real lookup, which would ask a database of places or a service: the demo is reachable by loopback
 * only, and that is nowhere.
 */
export const madeUpPlace: PlaceLookup = (address) => PLACES[address];

const PLACES: Record<string, string> = {
  "127.0.0.1": "Lisbon, Portugal (made up)",
  "127.0.0.2": "Porto, Portugal (made up)",
};
