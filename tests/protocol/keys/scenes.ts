import type { Bounds } from "./world.ts";

const COPIED = ["page", "save", "refresh", "mallory"] as const;

/** What can go wrong with keys of browsers: each shows one race or one thief to its end. */
export const scenes: readonly Bounds[] = [
  {
    name: "pages, and a registration that may be lost",
    ...{
      acts: ["page", "save"],
      requests: 4,
      parallel: 2,
      begins: "asked",
      isRemembered: false,
      isRough: true,
    },
    ticks: 5,
  },
  {
    name: "requests that wait while a key is registered",
    ...{ acts: ["page"], requests: 3, parallel: 2, begins: "asked", isRemembered: false, waits: true },
    ticks: 3,
  },
  {
    name: "a registration of a remembered login, whose browser is closed",
    ...{ acts: ["page"], requests: 3, parallel: 2, begins: "asked", isRemembered: true, isRough: true },
    closes: true,
    ticks: 5,
  },
  {
    name: "a registration, and a sign-in, a renewal or a sign-out beside it",
    ...{ acts: ["sign in", "renew", "leave"], requests: 3, parallel: 2, begins: "asked", isRemembered: true },
    ticks: 2,
  },
  {
    name: "a thief with the cookies of before the registration",
    ...{
      acts: ["page"],
      requests: 3,
      parallel: 1,
      begins: "asked",
      isRemembered: true,
      crimes: ["page", "register"],
    },
    ticks: 4,
  },
  {
    name: "refreshes whose answers are lost, to the end of the proof",
    ...{
      acts: ["page", "save"],
      requests: 4,
      parallel: 2,
      begins: "bound",
      isRemembered: false,
      isRough: true,
    },
    ticks: 6,
  },
  {
    name: "servers whose clocks differ, and a thief with all cookies",
    ...{ acts: ["page"], requests: 3, parallel: 1, begins: "bound", isRemembered: false, crimes: ["page"] },
    skew: 1,
    ticks: 8,
  },
  {
    name: "servers whose clocks differ, and refreshes whose answers take their time",
    ...{ acts: ["page"], requests: 3, parallel: 1, begins: "bound", isRemembered: false },
    skew: 1,
    ticks: 6,
  },
  {
    name: "servers whose clocks differ, while a key is registered",
    ...{ acts: ["page"], requests: 4, parallel: 2, begins: "asked", isRemembered: false, waits: true },
    skew: 1,
    ticks: 4,
  },
  {
    name: "a thief with all cookies",
    ...{ acts: ["page"], requests: 3, parallel: 1, begins: "bound", isRemembered: true, crimes: COPIED },
    crimesAtMost: 2,
    ticks: 6,
  },
  {
    name: "a thief who signs in with a copy, and one who forges",
    ...{
      acts: ["page"],
      requests: 2,
      parallel: 1,
      begins: "bound",
      isRemembered: false,
      crimes: ["mallory", "leave", "forge"],
    },
    crimesAtMost: 2,
    ticks: 5,
  },
  {
    name: "a thief with a session of their own, and a copied remember cookie",
    ...{
      acts: ["page"],
      requests: 2,
      parallel: 1,
      begins: "bound",
      isRemembered: true,
      crimes: ["mallory", "leave"],
    },
    crimesAtMost: 2,
    ticks: 2,
  },
  {
    name: "the session's row is lost, and a thief",
    ...{ acts: ["page"], requests: 2, parallel: 1, begins: "bound", isRemembered: true, crimes: ["page"] },
    losesRow: true,
    ticks: 8,
  },
  {
    name: "a sign-in that is begun and given up on a bound session",
    ...{ acts: ["begin", "page"], requests: 4, parallel: 1, begins: "bound", isRemembered: true },
    ticks: 6,
  },
  {
    name: "a remembered browser comes back, and a thief beside it",
    ...{ acts: ["page"], requests: 4, parallel: 2, begins: "away", isRemembered: true, crimes: COPIED },
    crimesAtMost: 1,
    ticks: 2,
  },
  {
    name: "a renewal of a bound session, and its refresh",
    ...{
      acts: ["renew", "page"],
      requests: 4,
      parallel: 2,
      begins: "bound",
      isRemembered: true,
      closes: true,
    },
    ticks: 5,
  },
];
