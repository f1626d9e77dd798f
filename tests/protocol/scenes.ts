import type { Bounds } from "./world.ts";

/** Windows of one tick each: small enough to explore, in the same order as the real ones. */
const TICKS = { converge: 1, delivery: 1, transit: 1, persist: 1, skew: 0 };

const base: Bounds = {
  name: "two tabs, closing and crashing",
  times: TICKS,
  parallel: 2,
  handlers: ["read"],
  endings: ["close", "crash"],
  skews: [0],
  thefts: 0,
  revokes: false,
  backups: false,
};

/** What is explored. Each scene is about something else that may happen beside the protocol's own steps. */
export const scenes: readonly Bounds[] = [
  base,
  { ...base, name: "servers whose clocks differ", times: { ...TICKS, skew: 1 }, skews: [0, 1] },
  { ...base, name: "writers", handlers: ["write"], endings: ["close"] },
  { ...base, name: "session cookies that survive a crash", endings: ["crash", "crash and restore its tabs"] },
  { ...base, name: "three tabs", parallel: 3, endings: ["close"] },
  { ...base, name: "confirming the password", handlers: ["read", "reauthenticate"], endings: ["close"] },
  {
    ...base,
    name: "confirming the password in one tab",
    parallel: 1,
    handlers: ["read", "reauthenticate"],
    endings: ["close", "crash"],
  },
  { ...base, name: "regenerating the secret", handlers: ["read", "regenerate"], endings: ["close"] },
  { ...base, name: "signing in again", handlers: ["read", "login"], endings: ["close"] },
  {
    ...base,
    name: "renewing after a changed password",
    handlers: ["read", "renew"],
    endings: ["close"],
    revokes: true,
  },
  { ...base, name: "logging out", handlers: ["write", "logout"], endings: ["close"] },
  {
    ...base,
    name: "revoking the user",
    handlers: ["write", "reauthenticate"],
    endings: ["close"],
    revokes: true,
  },
  { ...base, name: "a thief", parallel: 1, endings: ["close"], thefts: 1 },
  { ...base, name: "a store set back to a backup", parallel: 1, endings: ["close"], backups: true },
];
