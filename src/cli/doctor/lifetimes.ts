import ms from "ms";
import type { Settings } from "../../options/settings.ts";
import type { POLICIES } from "../config.ts";
import { type Finding, warning } from "./finding.ts";

type Policy = (typeof POLICIES)[number];

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** NIST SP 800-63B-4: in all, and without use. */
const MOST: Record<Policy, { readonly absolute: number; readonly idle: number }> = {
  aal1: { absolute: 30 * DAY, idle: Number.POSITIVE_INFINITY },
  aal2: { absolute: DAY, idle: HOUR },
  aal3: { absolute: 12 * HOUR, idle: 15 * 60_000 },
};

export function lifetimeFindings(
  { session, remember }: Pick<Settings, "session" | "remember">,
  policy: Policy | undefined,
): Finding[] {
  if (policy === undefined) return [];
  const isRememberless = policy !== "aal1";
  const options = [
    ["session.absolute", session.absolute, MOST[policy].absolute],
    ["session.idle", session.idle, MOST[policy].idle],
    ["remember.absolute", remember.absolute, MOST[policy].absolute],
    ["remember.idle", remember.idle, MOST[policy].idle],
  ] as const;
  return options
    .filter(([, value, most]) => value > most)
    .map(([option, value, most]) =>
      warning(
        "policy_exceeded",
        `${option} is ${ms(value)}; ${policy} of NIST SP 800-63B-4 allows ${ms(most)} until a credential has to be proved again.`,
        isRememberless && option.startsWith("remember")
          ? `Set ${option} to at most "${ms(most)}", and do not offer to remember.`
          : `Set ${option} to at most "${ms(most)}".`,
      ),
    );
}
