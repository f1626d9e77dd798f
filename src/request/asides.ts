import { CSRF } from "../data/asides.ts";
import { Flash } from "../data/flash.ts";
import { lifetimeOf, type StateOptions, States } from "../data/states.ts";
import { TempData } from "../data/temp.ts";
import { isTokenOf, maskedToken, newCsrfSecret } from "../http/csrf.ts";
import { atomically } from "./save.ts";
import { isSignIn, sessionOf, type Writing } from "./state.ts";
import { use } from "./use.ts";

/*
 * What a request uses of the values kept beside the data. An attacker who planted the session may know the CSRF secrets
 * and states from before a sign-in (CWE-384): those that were made after it are noted.
 */
type State = Writing<"csrf" | "flash">;

export function flashOf(state: State): Flash {
  state.flash ??= new Flash({
    data: () => use(state),
    clock: state.core.settings.clock,
    atomically: (change) => atomically(state, change),
    isStored: () => isStored(state),
    isAhead: state.facts.ahead !== undefined,
  });
  return state.flash;
}

/** What was shown of this session's messages is no message of the one that follows in the same request. */
export function leaveFlash(state: State): void {
  state.flash?.settle();
  state.flash = undefined;
}

export const tempOf = (state: State): TempData => new TempData(() => use(state), state.core.settings.clock);

export function csrfToken(state: State): string {
  const { asides } = use(state);
  const secret = asides[CSRF] ?? newCsrfSecret();
  asides[CSRF] = secret;
  if (isSignIn(state.intent)) state.csrf = String(secret);
  return maskedToken(String(secret));
}

export function isCsrfToken(state: State, token: unknown): boolean {
  const secret = use(state).asides[CSRF];
  return typeof secret === "string" && isTokenOf(secret, token);
}

export function newState(state: State, options: StateOptions): string {
  const lifetime = lifetimeOf(options);
  use(state);
  const made = statesOf(state).add(lifetime);
  if (isSignIn(state.intent)) state.states.add(made.key);
  return made.state;
}

export async function takeState(state: State, presented: unknown): Promise<boolean> {
  use(state);
  // No user is waiting for this answer: the page itself comes with a request of its own.
  if (state.facts.ahead !== undefined || !statesOf(state).has(presented)) return false;
  const take = () => statesOf(state).take(presented);
  return isStored(state) ? atomically(state, take) : take();
}

/** Called at a sign-in: CSRF secrets and states made before it no longer count. */
export function forgetTokens(state: State): void {
  delete state.data.asides[CSRF];
  state.csrf = undefined;
  statesOf(state).keepOnly(new Set());
  state.states.clear();
}

const statesOf = ({ data, core }: State): States => new States(data, core.settings.clock.now());

/** There is a row, or a login that will get one, which other requests might change at the same time. */
const isStored = ({ standing }: State): boolean =>
  sessionOf(standing) !== undefined || standing.kind === "remembered";
