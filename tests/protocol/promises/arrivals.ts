import { isDeepStrictEqual } from "node:util";
import type { CookieInstruction } from "../../../src/http/cookies.ts";
import { hex } from "../digests.ts";
import { type Probe, probe } from "../probe.ts";
import type { Runner } from "../request.ts";
import type { Rows } from "../rows.ts";
import type { World } from "../world.ts";
import { type Violation, violations } from "./violation.ts";

/**
 * I16: whoever writes the time of arrival into a head gets what they would get without, or is served without cookies;
 * and it is believed no further back than A, and not in the future.
 */
export async function checkClaims(world: World, runner: Runner): Promise<Violation[]> {
  const { arrival } = runner.settings.times;
  for (const jar of [world.jar, ...world.loot, ...world.past.map(({ jar }) => jar)]) {
    const come = (ago: number) =>
      probe(world.rows, jar, world.now, runner, { arrivedAt: world.now - ago, id: -1 });
    const honest = await come(0);
    const furthest = await come(arrival);
    const found = violations("I16", [
      [!isSame(honest, await come(-3)), "an arrival in the future made a difference"],
      [
        !isSame(furthest, await come(arrival + 10)),
        "an arrival was believed further back than any body takes",
      ],
    ]);
    if (found.length > 0) return found;
    for (let ago = 1; ago <= arrival; ago++) {
      const claimed = await come(ago);
      if (isSame(claimed, honest) || isAccepted(claimed, world.rows)) continue;
      return violations("I16", [[true, "a claimed arrival got more than being accepted"]]);
    }
  }
  return [];
}

const isSame = (a: Probe, b: Probe): boolean =>
  a.isServed === b.isServed &&
  isDeepStrictEqual(a.events, b.events) &&
  isDeepStrictEqual(textOf(a.cookies), textOf(b.cookies)) &&
  isDeepStrictEqual(a.rows, b.rows);

/** Nothing was sent or exchanged, and nothing ended. */
const isAccepted = ({ cookies, rows }: Probe, before: Rows): boolean =>
  cookies.length === 0 && isDeepStrictEqual(keysOf(rows), keysOf(before));

const textOf = (cookies: readonly CookieInstruction[]): string[] => cookies.map(({ value }) => value);

/** What signs somebody in. */
const keysOf = ({ sessions, logins }: Rows): unknown => [
  [...sessions.values()].map(({ secret }) => hex(secret)),
  [...logins.values()].map(({ token, revokedAt }) => [hex(token), revokedAt]),
];
