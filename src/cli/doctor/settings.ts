import { randomBytes } from "node:crypto";
import { PsessionError } from "../../errors.ts";
import type { CookieDefinition } from "../../http/cookies.ts";
import { resolveOptions } from "../../options/resolve.ts";
import type { Settings } from "../../options/settings.ts";
import { coreOf } from "../../psession.ts";
import type { Config } from "../config.ts";
import { error, type Finding } from "./finding.ts";

/**
 * The checked options, where they can be had, and what is wrong with them besides keys. Faults of keys have findings of
 * their own, and hide no others: whatever else is said is said of other keys.
 */
export function settingsOf(config: Config): { settings: Settings | undefined; findings: readonly Finding[] } {
  const { options } = config;
  if (options === undefined) return { settings: coreOf(config.service()).settings, findings: [] };
  const first = attempt(() => resolveOptions(options));
  if (first.settings !== undefined) return { settings: first.settings, findings: [] };
  const { encryption: _, ...rest } = options;
  const second = attempt(() => resolveOptions({ ...rest, keys: [randomBytes(32)] }));
  const lines = [...new Set([...first.faults, ...second.faults])].filter((line) => !OF_KEYS.test(line));
  return {
    settings: second.settings,
    findings: lines.map((line) =>
      error(
        "options_invalid",
        `The application does not start: ${line}.`,
        "docs/options.md has every option.",
      ),
    ),
  };
}

/** Of an application: the third one is there with `devices.detectNew` only. */
export const cookiesOf = ({ cookies, devices }: Settings): CookieDefinition[] => [
  cookies.session,
  cookies.remember,
  ...(devices.detectNew ? [cookies.device] : []),
];

const OF_KEYS = /^(encryption\.)?keys(\.\d+)? (must (be text or bytes|be a list|have|hold)|is (missing|too))/;

function attempt(resolve: () => Settings): { settings: Settings | undefined; faults: string[] } {
  try {
    return { settings: resolve(), faults: [] };
  } catch (fault) {
    if (!(fault instanceof PsessionError) || fault.code !== "invalid_options") throw fault;
    const faults = fault.message.split("\n").flatMap((line) => (line.startsWith("- ") ? line.slice(2) : []));
    return { settings: undefined, faults };
  }
}
