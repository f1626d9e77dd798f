import type { Level } from "../../../src/index.ts";
import type {
  FreshOptions,
  GuardOptions,
  KeyProofOptions,
  RequiredProofs,
} from "../../../src/integration/guards.ts";
import type { LockOptions } from "../../../src/integrations/node/index.ts";

/** The guards of an integration, as each of them has them. */
interface Guards<Guard, Turn> {
  requireLogin(options?: GuardOptions): Guard;
  requireLevel(level: Level): Guard;
  requireFresh(options: FreshOptions): Guard;
  requireProofs(required: RequiredProofs, options?: GuardOptions): Guard;
  requireKeyProof(options: KeyProofOptions): Guard;
  requirePending(options?: GuardOptions): Guard;
  exclusive(options?: LockOptions): Turn;
}

/** What the contract asks for before all that is below /mounted. */
export const mountedGuard = <Guard>(integration: Pick<Guards<Guard, unknown>, "requireLogin">): Guard =>
  integration.requireLogin({ redirectTo: to("/sign-in") });

const to = (place: string) => (path: string) => `${place}?next=${encodeURIComponent(path)}`;

/** What the contract asks for of the page of devices. */
export const PAGE_OPTIONS = {
  redirectTo: to("/sign-in"),
  fresh: { within: "10m", redirectTo: to("/confirm") },
} as const;

/** Which guards the contract asks for before which of its paths. */
export const guardsByPath = <Guard, Turn>(
  integration: Guards<Guard, Turn>,
): Readonly<Record<string, readonly (Guard | Turn)[]>> => ({
  "/members": [integration.requireLogin({ redirectTo: "/sign-in" })],
  "/proved": [integration.requireLevel("login")],
  "/bound": [integration.requireLevel("device-bound")],
  "/proved-now": [integration.requireKeyProof({ within: "1m" })],
  "/fresh": [integration.requireFresh({ within: "10m" })],
  "/two-factors": [integration.requireProofs(["password", "otp"], { redirectTo: "/prove" })],
  "/second-step": [integration.requirePending({ redirectTo: "/sign-in" })],
  "/turns": [integration.exclusive()],
  "/now": [integration.exclusive({ wait: 0 })],
  "/members-turns": [integration.requireLogin(), integration.exclusive()],
});
