import type { PresetName, PsessionOptions } from "./public.ts";

interface Limits {
  readonly session: { readonly idle: number; readonly absolute: number };
  /** The longest that a remembered login may live; undefined where there must be none. */
  readonly remember: number | undefined;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** NIST SP 800-63B-4 section 2: how long a session may live before a credential has to be proved again. */
const PRESETS: Readonly<Record<PresetName, Limits>> = {
  aal1: { session: { idle: 30 * DAY, absolute: 30 * DAY }, remember: 30 * DAY },
  aal2: { session: { idle: HOUR, absolute: DAY }, remember: undefined },
  aal3: { session: { idle: 15 * MINUTE, absolute: 12 * HOUR }, remember: undefined },
};

export const PRESET_NAMES = ["aal1", "aal2", "aal3"] as const satisfies readonly PresetName[];

/** Shorter than the limit of `aal1`, which leaves everything to the application. */
const AAL1_DEFAULTS = { idle: "2h", absolute: "1d" } as const;

/** The preset's limits where nothing else is said. Wrong types are left for the check that follows. */
export function withPreset(options: PsessionOptions): PsessionOptions {
  const { preset, session, remember } = options;
  const limits = preset === undefined ? undefined : PRESETS[preset];
  if (limits === undefined) return options;
  return {
    ...options,
    session: { ...(preset === "aal1" ? AAL1_DEFAULTS : limits.session), ...session },
    ...(limits.remember === undefined ? { remember: { enabled: false, ...remember } } : {}),
  };
}

/** What goes beyond the preset. */
export function presetFaults(
  preset: PresetName | undefined,
  given: {
    readonly session: { readonly idle: number; readonly absolute: number };
    readonly remember: { readonly enabled: boolean; readonly absolute: number };
  },
): string[] {
  if (preset === undefined) return [];
  const { session, remember } = PRESETS[preset];
  const faults: string[] = [];
  const tooLong = (option: string, most: number) =>
    faults.push(`${option} must be at most ${most / MINUTE} minutes with the preset ${preset}`);
  if (given.session.idle > session.idle) tooLong("session.idle", session.idle);
  if (given.session.absolute > session.absolute) tooLong("session.absolute", session.absolute);
  if (!given.remember.enabled) return faults;
  if (remember === undefined) faults.push(`remember.enabled must be false with the preset ${preset}`);
  else if (given.remember.absolute > remember) tooLong("remember.absolute", remember);
  return faults;
}
