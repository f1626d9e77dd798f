import { knownNames } from "../../http/user-agent.ts";
import { filled, type Texts } from "./table.ts";

/** In which words, and by which calendar and clock. */
export interface Wording {
  readonly texts: Texts;
  readonly locale?: string | undefined;
  readonly timeZone: string;
}

/** "Firefox on Linux", of names that are known in advance; undefined where neither is. */
export function nameOfBrowser(userAgent: string | undefined, { browserOn }: Texts): string | undefined {
  const { browser, os: system } = knownNames(userAgent);
  return browser === undefined || system === undefined
    ? (browser ?? system)
    : filled(browserOn, { browser, system });
}

/** Date and time, without the zone. */
export const timeIn = (at: number, { texts, locale = texts.locale, timeZone }: Wording): string =>
  new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short", timeZone }).format(at);

/** Date and time with the zone. */
export const momentIn = (at: number, wording: Wording): string =>
  filled(wording.texts.moment, { time: timeIn(at, wording), timeZone: wording.timeZone });
