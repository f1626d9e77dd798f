import type { Level } from "../../../src/index.ts";
import type { FreshOptions, GuardOptions } from "../../../src/integration/guards.ts";
import type { LockOptions } from "../../../src/integrations/node/index.ts";

/** The guards of a face, as each of them has them. */
interface Guards<Guard, Turn> {
  requireLogin(options?: GuardOptions): Guard;
  requireLevel(level: Level): Guard;
  requireFresh(options: FreshOptions): Guard;
  exclusive(options?: LockOptions): Turn;
}

/** What the contract asks for before all that is below /mounted. */
export const mountedGuard = <Guard>(face: Pick<Guards<Guard, unknown>, "requireLogin">): Guard =>
  face.requireLogin({ redirectTo: (path) => `/sign-in?next=${encodeURIComponent(path)}` });

/** Which guards the contract asks for before which of its paths. */
export const guardsByPath = <Guard, Turn>(
  face: Guards<Guard, Turn>,
): Readonly<Record<string, readonly (Guard | Turn)[]>> => ({
  "/members": [face.requireLogin({ redirectTo: "/sign-in" })],
  "/proved": [face.requireLevel("login")],
  "/fresh": [face.requireFresh({ within: "10m" })],
  "/turns": [face.exclusive()],
  "/now": [face.exclusive({ wait: 0 })],
  "/members-turns": [face.requireLogin(), face.exclusive()],
});
