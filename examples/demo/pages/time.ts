import { type Html, html } from "../html.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTH = (365.25 / 12) * DAY;

/** The largest count of a unit before the next unit is used. */
const UNITS = [
  ["minute", MINUTE, 60],
  ["hour", HOUR, 24],
  ["day", DAY, 60],
  ["month", MONTH, 24],
  ["year", 12 * MONTH, Number.POSITIVE_INFINITY],
] as const;

const WORDS = new Intl.RelativeTimeFormat("en");
/** In UTC, so that it looks the same everywhere. */
const DATE = { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" } as const;
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
const DATES = new Intl.DateTimeFormat("en-GB", DATE);
const MOMENTS = new Intl.DateTimeFormat("en-GB", { ...DATE, ...CLOCK });

/** How long ago, or how long until then, by the demo's clock. The exact time is in the title. */
export function time(at: number, now: number): Html {
  return html`<time datetime="${iso(at)}" title="${exact(at)}">${relative(at, now)}</time>`;
}

export function exactTime(at: number): Html {
  return html`<time datetime="${iso(at)}">${exact(at)}</time>`;
}

export function date(at: number): Html {
  return html`<time datetime="${iso(at).slice(0, 10)}">${DATES.format(at)}</time>`;
}

function relative(at: number, now: number): string {
  const distance = at - now;
  for (const [unit, length, most] of UNITS) {
    const count = Math.round(Math.abs(distance) / length);
    if (count < 1) return distance > 0 ? "in less than a minute" : "just now";
    if (count < most) return WORDS.format(Math.sign(distance) * count, unit);
  }
  return exact(at);
}

const iso = (at: number): string => new Date(at).toISOString();
const exact = (at: number): string => `${MOMENTS.format(at)} UTC`;
