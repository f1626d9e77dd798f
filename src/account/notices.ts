import { isIP } from "node:net";
import * as v from "valibot";
import { checkedOptions } from "../checks/faults.ts";
import type { PsessionEvent, RequestOrigin } from "../events.ts";
import { momentIn, nameOfBrowser } from "./texts/shown.ts";
import { counted, filled, type TextOptions, textEntries, worded } from "./texts/table.ts";

export { type EndedTextOptions, endedText } from "./texts/ended.ts";
export type { PluralForms, TextOptions, Texts } from "./texts/table.ts";

type EventOf<K extends PsessionEvent["type"]> = Extract<PsessionEvent, { readonly type: K }>;

/** An email in plain text, for the application to send. */
export interface Notice {
  readonly subject: string;
  readonly text: string;
}

/** What a notice says of the application, besides the event. */
export interface NoticeOptions extends TextOptions {
  /** What the application calls itself, such as "Acme Shop". */
  site: string;
  /** The page where users see their devices and change their password: an address of your own, never of the event. */
  link?: string | undefined;
  /** Where the address of the request is, such as "Lisbon, Portugal". */
  place?: string | undefined;
}

const line = v.pipe(
  v.string("must be text"),
  v.minLength(1, "must not be empty"),
  v.maxLength(200, "must have at most 200 characters"),
  v.regex(/^[^\p{Cc}\p{Zl}\p{Zp}]*$/u, "must be one line"),
);

const optionsSchema = v.strictObject({
  site: line,
  link: v.optional(v.pipe(line, v.url("must be an address, such as https://example.com/devices"))),
  place: v.optional(line),
  ...textEntries,
});

type Given = v.InferOutput<typeof optionsSchema>;

/** Notifies a user that their remembered login was stolen: what was done, and what to do. */
export function theftNotice(event: EventOf<"theft">, options: NoticeOptions): Notice {
  const given = checkedOptions("theftNotice", optionsSchema, options);
  const { site, place, texts, link } = given;
  const { theft } = texts;
  const { at, request, lastUsed } = event;
  return notice(
    filled(theft.subject, { site }),
    filled(theft.what, { site }),
    facts([
      filled(theft.noticed, { moment: momentIn(at, given) }),
      from(request, given, place),
      filled(theft.usedBefore, { moment: momentIn(lastUsed.at, given) }),
      from(lastUsed, given, undefined),
    ]),
    theft.whose,
    theft.advice,
    link,
  );
}

/** Notifies a user of a sign-in on a browser that was not known for them. */
export function newDeviceNotice(event: EventOf<"newDevice">, options: NoticeOptions): Notice {
  const given = checkedOptions("newDeviceNotice", optionsSchema, options);
  const { site, place, texts, link } = given;
  const { newDevice } = texts;
  return notice(
    filled(newDevice.subject, { site }),
    filled(newDevice.what, { site }),
    facts([when(event.at, given), from(event.request, given, place)]),
    newDevice.advice,
    link,
  );
}

/** Notifies a user that their password or another factor was changed (ASVS 6.3.7). */
export function credentialChangedNotice(event: EventOf<"credentialChanged">, options: NoticeOptions): Notice {
  const given = checkedOptions("credentialChangedNotice", optionsSchema, options);
  const { site, place, texts, link } = given;
  const { credentialChanged: changed, factors } = texts;
  const { at, request, ended } = event;
  const factor = v.is(line, event.factor) ? worded(factors, event.factor) : changed.unknownFactor;
  const others = ended > 0 ? counted(changed.ended, ended, texts) : changed.noneEnded;
  return notice(
    filled(changed.subject, { site, factor }),
    `${filled(changed.what, { site, factor })} ${others}`,
    facts([when(at, given), request && from(request, given, place)]),
    changed.advice,
    link,
  );
}

/**
 * Notifies a user that an administrator acts as them (`session.impersonate`). Neither the administrator nor the reason is
 * named: both are for the audit trail.
 */
export function impersonationNotice(event: EventOf<"impersonationBegan">, options: NoticeOptions): Notice {
  const given = checkedOptions("impersonationNotice", optionsSchema, options);
  const { site, texts, link } = given;
  const { impersonation } = texts;
  return notice(
    filled(impersonation.subject, { site }),
    filled(impersonation.what, { site }),
    facts([when(event.at, given), filled(impersonation.until, { moment: momentIn(event.until, given) })]),
    impersonation.advice,
    link,
  );
}

/** `parts` are the paragraphs of the text. */
function notice(subject: string, ...parts: readonly (string | undefined)[]): Notice {
  return { subject, text: `${parts.filter((part) => part !== undefined).join("\n\n")}\n` };
}

const facts = (lines: readonly (string | undefined)[]): string =>
  lines
    .filter((line) => line !== undefined)
    .map((line) => `  ${line}`)
    .join("\n");

const when = (at: number, given: Given): string =>
  filled(given.texts.notices.when, { moment: momentIn(at, given) });

/** An attacker may have chosen these: what is no address, or no name of a known browser, is not shown to the user. */
function from({ address, userAgent }: RequestOrigin, { texts }: Given, place: string | undefined): string {
  const { notices } = texts;
  const browser = nameOfBrowser(userAgent, texts) ?? notices.unknownBrowser;
  const shown = address !== undefined && isIP(address) !== 0 ? address : notices.unknownAddress;
  const origin =
    place === undefined
      ? filled(notices.origin, { browser, address: shown })
      : filled(notices.originPlace, { browser, address: shown, place });
  return filled(notices.from, { origin });
}
