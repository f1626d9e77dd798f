import { isIP } from "node:net";
import * as v from "valibot";
import { checkedOptions } from "../checks/faults.ts";
import type { PsessionEvent, RequestOrigin } from "../events.ts";
import { knownDeviceLabel } from "../http/user-agent.ts";

type EventOf<K extends PsessionEvent["type"]> = Extract<PsessionEvent, { readonly type: K }>;

/** An email in plain text, for the application to send. */
export interface Notice {
  readonly subject: string;
  readonly text: string;
}

/** What a notice says of the application, besides the event. */
export interface NoticeOptions {
  /** What the application calls itself, such as "Acme Shop". */
  site: string;
  /** The page where users see their devices and change their password: an address of your own, never of the event. */
  link?: string | undefined;
  /** Where the address of the request is, such as "Lisbon, Portugal". */
  place?: string | undefined;
  /** The time zone of the times shown, such as "Europe/Lisbon". Default: "UTC". */
  timeZone?: string | undefined;
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
  timeZone: v.optional(
    v.custom<string>(isTimeZone, 'must be a time zone, such as "UTC" or "Europe/Lisbon"'),
    "UTC",
  ),
});

type Given = v.InferOutput<typeof optionsSchema>;

/** Notifies a user that their remembered login was stolen: what was done, and what to do. */
export function theftNotice(event: EventOf<"theft">, options: NoticeOptions): Notice {
  const given = checkedOptions("theftNotice", optionsSchema, options);
  const { site, place } = given;
  const { at, request, lastUsed } = event;
  return notice(
    `${site}: somebody else used your sign-in`,
    `Two browsers used the same sign-in to your account at ${site}: one of them has a copy of the other's cookie. ` +
      "Both were signed out at once.",
    facts([
      ["noticed", moment(at, given)],
      ["from", whence(request, place)],
      ["used before", moment(lastUsed.at, given)],
      ["from", whence(lastUsed, undefined)],
    ]),
    "One of the two may be your own browser.",
    "What to do: look for malware on your devices, as that is how cookies are copied. Then sign in again, change your " +
      "password, and sign out devices that you do not know.",
    given.link,
  );
}

/** Notifies a user of a sign-in on a browser that was not known for them. */
export function newDeviceNotice(event: EventOf<"newDevice">, options: NoticeOptions): Notice {
  const given = checkedOptions("newDeviceNotice", optionsSchema, options);
  const { site, place } = given;
  return notice(
    `${site}: new sign-in to your account`,
    `Somebody signed in to your account at ${site} on a browser that was not used for it before.`,
    facts([
      ["when", moment(event.at, given)],
      ["from", whence(event.request, place)],
    ]),
    "If it was you, there is nothing to do. If not, somebody knows your password: change it, and sign out devices " +
      "that you do not know.",
    given.link,
  );
}

/** Notifies a user that their password or another factor was changed (ASVS 6.3.7). */
export function credentialChangedNotice(event: EventOf<"credentialChanged">, options: NoticeOptions): Notice {
  const given = checkedOptions("credentialChangedNotice", optionsSchema, options);
  const { site, place } = given;
  const { at, request, ended } = event;
  const factor = v.is(line, event.factor) ? event.factor : "sign-in method";
  const others = ended === 1 ? "One other device was signed out." : `${ended} other devices were signed out.`;
  return notice(
    `${site}: your ${factor} was changed`,
    `The ${factor} of your account at ${site} was changed. ${ended > 0 ? others : "No other device was signed in."}`,
    facts([
      ["when", moment(at, given)],
      ...(request === undefined ? [] : [["from", whence(request, place)] as const]),
    ]),
    "If it was not you, somebody has access to your account: reset your password, and get in touch with us.",
    given.link,
  );
}

/** `parts` are the paragraphs of the text. */
function notice(subject: string, ...parts: readonly (string | undefined)[]): Notice {
  return { subject, text: `${parts.filter((part) => part !== undefined).join("\n\n")}\n` };
}

const facts = (lines: readonly (readonly [string, string])[]): string =>
  lines.map(([name, value]) => `  ${name}: ${value}`).join("\n");

function moment(at: number, { timeZone }: Given): string {
  const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone });
  return `${format.format(at)} (${timeZone})`;
}

/** An attacker may have chosen these: what is no address, or no name of a known browser, is not shown to the user. */
function whence({ address, userAgent }: RequestOrigin, place: string | undefined): string {
  const browser = knownDeviceLabel(userAgent) ?? "an unknown browser";
  const where = address !== undefined && isIP(address) !== 0 ? address : "an unknown address";
  return `${browser}, ${where}${place === undefined ? "" : ` (${place})`}`;
}

function isTimeZone(value: unknown): boolean {
  if (typeof value !== "string") return false;
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: value });
    return true;
  } catch {
    return false;
  }
}
