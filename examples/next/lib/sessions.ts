import { dangerouslyAllowInsecureHttp, type PsessionOptions, sharedPsession } from "psession";
import { sessions } from "psession/next";
import { sqliteStore } from "psession/sqlite";

declare module "psession" {
  interface SessionData {
    cart: string[];
  }
}

export const psession = sharedPsession(
  "shop",
  (): PsessionOptions => ({
    store: sqliteStore({ path: process.env.SESSION_FILE ?? "sessions.sqlite" }),
    keys: process.env.SESSION_KEYS,
    // A page that asks who is signed in keeps nobody signed in.
    session: { isPassive: ({ path }) => path === "/account/devices/session" },
    // For http://localhost in development; refused in production.
    [dangerouslyAllowInsecureHttp]: process.env.NODE_ENV !== "production",
  }),
  (shared) => {
    shared.on("theft", ({ userId, request }) => console.warn("stolen cookie", userId, request.address));
  },
);

export const { proxy, getSession, action, route, ...guards } = sessions(psession, {
  // Believe the headers of the proxy that speaks https. Next itself fills them in where none comes.
  trustProxy: true,
});

const back = (page: string) => (path: string) => `${page}?next=${encodeURIComponent(path)}`;

export const members = guards.requireLogin({ redirectTo: back("/login") });
export const fresh = guards.requireFresh({ within: "10m", redirectTo: back("/confirm") });
export const halfway = guards.requirePending({ redirectTo: "/login" });
export const inPerson = guards.forbidImpersonation({ redirectTo: "/account" });

/** A place on this site to go on to, from a form or an address. */
export function placeOf(next: unknown): string {
  const path = typeof next === "string" ? next : "";
  return /^\/(?![/\\])[!-[\]-~]*$/.test(path) ? path : "/account";
}
