import { candidatesIn, clearCookie, serializeCookie } from "../../http/cookies.ts";
import type { Settlement } from "../../http/settlement.ts";
import type { Settings } from "../../options/settings.ts";
import { REGISTRATION_LIFE } from "../../protocol/bound.ts";
import { registrationBy } from "../../request/bound.ts";
import { Session } from "../../session.ts";

/*
 * A header asks the browser for a key (option `deviceBound`), and an action of Next can set cookies only. So the challenge
 * goes with the answer to the sign-in as a cookie, and the proxy puts it into the header of the next answer, once.
 */

const definitionOf = ({ cookies: { bound } }: Settings) => ({ ...bound, name: `${bound.name}-offer` });

/** All lines for the jar. */
export function withOffer({ setCookie, registration }: Settlement, settings: Settings): readonly string[] {
  if (registration === undefined) return setCookie;
  const maxAgeSeconds = REGISTRATION_LIFE / 1000;
  const definition = definitionOf(settings);
  return [...setCookie, serializeCookie({ definition, value: registration.challenge, maxAgeSeconds })];
}

/** The settlement with that header; and without the cookie, whether the challenge still counts or not. */
export async function withOffered<Data extends object>(
  settlement: Settlement,
  cookie: string | null,
  getSession: () => Promise<Session<Data>>,
  settings: Settings,
): Promise<Settlement> {
  if (settings.deviceBound === undefined || settlement.registration !== undefined) return settlement;
  const definition = definitionOf(settings);
  const challenges = candidatesIn(cookie ?? undefined, definition.name) ?? [];
  if (challenges.length === 0) return settlement;
  const state = Session.stateOf(await getSession());
  const [registration] = challenges.flatMap((challenge) => registrationBy(state, challenge) ?? []);
  const setCookie = [...settlement.setCookie, serializeCookie(clearCookie(definition))];
  return { ...settlement, setCookie, noStore: settings.cookies.noStore, registration };
}
