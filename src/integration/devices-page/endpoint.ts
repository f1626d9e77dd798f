import { createHash } from "node:crypto";
import * as v from "valibot";
import type { Wording } from "../../account/texts/shown.ts";
import { counted, type TextOptions, type Texts, textEntries } from "../../account/texts/table.ts";
import type { Duration } from "../../checks/duration.ts";
import { checkedOptions } from "../../checks/faults.ts";
import { PsessionError } from "../../errors.ts";
import { allowedOrigins, isSameOrigin, type OriginOptions } from "../../http/origin.ts";
import type { Session } from "../../session.ts";
import { type Answer, NOT_KEPT } from "../answer.ts";
import { BodyTooLarge } from "../device-endpoints.ts";
import {
  CROSS_SITE,
  freshGuard,
  type GuardedRequest,
  type GuardOptions,
  loginGuard,
  ofGuards,
  type Refusal,
  redirectTarget,
} from "../guards.ts";
import type { FormFields } from "./form.ts";
import { ASKS_AGAIN, contentOf, documentOf, type Message } from "./view.ts";

/** Where a page of devices is, how it looks, and what it asks of its users. */
export interface DevicesPageOptions extends OriginOptions, TextOptions {
  /** Where visitors go who are not signed in, as for `requireLogin`. Default: a page that says so, with status 401. */
  redirectTo?: GuardOptions["redirectTo"];
  /**
   * Who ends another device must have proved a credential that recently, or goes to `redirectTo` first, as for
   * `requireFresh`. Default: no limit.
   */
  fresh?:
    | { within: Duration; method?: string | undefined; redirectTo: NonNullable<GuardOptions["redirectTo"]> }
    | undefined;
  /** Where users go who have signed out here. Default: "/". */
  afterSignOut?: string | undefined;
  /** The address of a stylesheet, for the page as it is without `render`. */
  stylesheet?: string | undefined;
  /** Makes the whole page, such as by the application's own layout. Default: a page without style. */
  render?: ((page: DevicesPage, request: DevicesPageVisit) => string | Promise<string>) | undefined;
  /** The language and time zone of this user, in place of the options'. */
  localize?: ((request: DevicesPageVisit) => TextOptions | Promise<TextOptions>) | undefined;
}

/** The parts of the page, for the application to put into its own. */
export interface DevicesPage {
  /** Plain text: to be escaped. */
  readonly title: string;
  /** HTML: heading, message, list and buttons. */
  readonly content: string;
  /** The language of the texts, for `lang`. */
  readonly lang: string;
  readonly dir: "ltr" | "rtl";
}

/** Whose page it is. */
export interface DevicesPageVisit {
  // biome-ignore lint/suspicious/noExplicitAny: the page has nothing to do with the data.
  readonly session: Session<any>;
  readonly header: GuardedRequest["header"];
}

/** The facts that an integration gives about a request for the page. */
export interface DevicesPageRequest extends Omit<GuardedRequest, "session">, DevicesPageVisit {
  /** The form that was sent, read only if needed. It throws if the body cannot be read. */
  body(): Promise<FormFields>;
}

/** To be answered with these headers: HTML, or a redirect without a body. */
export interface DevicesPageAnswer extends Answer {
  readonly body?: string | undefined;
}

/** Answers a request for the page. Rejects where the store fails (`store_unavailable`). */
export type DevicesPageEndpoint = (request: DevicesPageRequest) => Promise<DevicesPageAnswer>;

const aFunction = (what: string) => v.optional(v.custom((value) => typeof value === "function", what));
const address = (what: string) => v.pipe(v.string(what), v.regex(/^[!-~]+$/, what));

const optionsSchema = v.strictObject({
  ...textEntries,
  allowed: allowedOrigins,
  redirectTo: v.optional(redirectTarget),
  // Its parts are checked by the guard.
  fresh: v.optional(
    v.looseObject({ redirectTo: redirectTarget }, "must be an object, such as { within, redirectTo }"),
  ),
  afterSignOut: v.optional(address('must be an address, such as "/"'), "/"),
  stylesheet: v.optional(address('must be an address, such as "/devices.css"')),
  render: aFunction("must be a function that gives a page"),
  localize: aFunction("must be a function that gives texts, locale and timeZone"),
});
const localSchema = v.strictObject(textEntries);

/** What a form asks for. */
type Action = "end" | "name" | "end-others" | "end-all";

/**
 * The user's devices as a page, whatever the framework: GET shows them, and its forms POST to the page's own address, which
 * may be anywhere. It works without scripts.
 */
export function devicesPageEndpoint(options: DevicesPageOptions = {}): DevicesPageEndpoint {
  const given = checkedOptions("devicesPage", optionsSchema, options);
  const { allowed, redirectTo, fresh, render, localize } = options;
  const origins = allowed === undefined ? {} : { allowed };
  const isSignedIn = loginGuard({ redirectTo, origin: false });
  const isFresh = fresh && freshGuard({ ...fresh, origin: false });

  return async (request) => {
    const wording = await wordingFor(request);
    const { texts } = wording;
    const { problems } = texts.devices;
    // The way back is the page itself, also from a form of it.
    const asked = { ...request, method: "GET", path: request.path.replace(/[?#].*/s, "") };
    const show = async (status: number, message?: Message, isAllowed = true): Promise<DevicesPageAnswer> => {
      const { session } = request;
      const devices = isAllowed ? await session.devices() : undefined;
      const content = contentOf({ wording, message, devices, isActedIn: isActedIn(session) });
      const title = [message?.text, texts.devices.title].filter((part) => part !== undefined).join(" – ");
      const page = { title, lang: texts.locale, dir: directionOf(texts.locale) };
      const { stylesheet } = given;
      if (render === undefined)
        return pageAnswer(status, documentOf(content, { ...page, stylesheet }), {
          "Content-Security-Policy": policyFor(stylesheet),
        });
      const rendered = await render({ ...page, content: content.text }, request);
      if (typeof rendered === "string") return pageAnswer(status, rendered);
      throw new PsessionError("invalid_options", "devicesPage: render has to give a page as text.");
    };
    const refuse = (status: number, text: string, isAllowed = true) =>
      show(status, { text, isProblem: true }, isAllowed);
    const refused = (
      refusal: Refusal,
      text: string,
      isAllowed = true,
    ): Promise<DevicesPageAnswer> | DevicesPageAnswer =>
      "location" in refusal
        ? { status: refusal.status, headers: { ...NOT_KEPT, Location: refusal.location } }
        : refuse(refusal.status, text, isAllowed);

    if (!isSameOrigin(request, origins)) return refuse(CROSS_SITE.status, problems.crossSite, false);
    const stranger = isSignedIn(asked);
    if (stranger !== undefined) return refused(stranger, problems.signIn, false);
    const { session, method } = request;
    if (method === "GET" || method === "HEAD") return show(200, messageIn(request, texts));
    if (method !== "POST") return { status: 405, headers: { ...NOT_KEPT, Allow: "GET, HEAD, POST" } };

    let fields: FormFields;
    try {
      fields = await request.body();
    } catch (error) {
      return error instanceof BodyTooLarge ? refuse(413, problems.tooLarge) : refuse(400, problems.invalid);
    }
    const { do: action, handle = "", name } = fields;
    const isWhole = isAction(action) && typeof handle === "string";
    // Without a name, a form would take the name away.
    if (!isWhole || (action === "name" && typeof name !== "string")) return refuse(400, problems.invalid);
    if (isFresh !== undefined && action !== "name") {
      // Nobody needs a password for signing out here.
      const isHere =
        action === "end" && (await session.devices()).some((one) => one.current && one.handle === handle);
      const outdated = isHere ? undefined : isFresh(asked);
      if (outdated !== undefined) return refused(outdated, problems.confirm);
    }
    try {
      const done = await act(session, action, handle, name);
      const target = done === "signed-out" ? given.afterSignOut : `?done=${done}`;
      // Relative to the address that the browser knows: a proxy may have cut off a part of it.
      return { status: 303, headers: { ...NOT_KEPT, Location: target } };
    } catch (error) {
      if (!(error instanceof PsessionError)) throw error;
      if (error.code === "invalid_name") return refuse(400, problems.invalidName);
      if (error.code === "impersonating") return refuse(403, problems.impersonating);
      if (error.status === 400) return refuse(400, problems.invalid);
      throw error;
    }
  };

  async function wordingFor(visit: DevicesPageVisit): Promise<Wording> {
    if (localize === undefined) return given;
    const {
      texts = given.texts,
      locale = given.locale,
      timeZone = given.timeZone,
      ...others
    } = (await localize(visit)) ?? {};
    return checkedOptions("devicesPage: localize", localSchema, { texts, locale, timeZone, ...others });
  }
}

/** The word that the page says afterwards. */
async function act(
  session: DevicesPageVisit["session"],
  action: Action,
  handle: string,
  name: unknown,
): Promise<string> {
  switch (action) {
    case "end": {
      const isEnded = await session.revoke(handle);
      return isEnded ? (session.isSignedIn ? "ended" : "signed-out") : "gone";
    }
    case "name":
      return (await session.nameDevice(handle, name as string)) ? "named" : "gone";
    case "end-others":
      return `others&count=${await session.revokeOthers()}`;
    case "end-all":
      // Everywhere: the next sign-in here asks for a second factor, too.
      await session.distrust();
      await session.revokeOthers();
      await session.logout();
      return "signed-out";
  }
}

const ACTIONS: readonly unknown[] = ["end", "name", "end-others", "end-all"] satisfies Action[];

const isAction = (value: unknown): value is Action => ACTIONS.includes(value);

/** Also where the data are properties of the session. */
function isActedIn(session: DevicesPageVisit["session"]): boolean {
  const { [ofGuards]: own = session } = session as { [ofGuards]?: Pick<typeof session, "actor"> };
  return own.actor !== undefined;
}

/** Another site's link must not make the page say that something was done. */
function messageIn({ header, path }: DevicesPageRequest, texts: Texts): Message | undefined {
  const site = header("sec-fetch-site");
  if (site !== undefined && site !== "same-origin") return undefined;
  const query = new URLSearchParams(path.split("?")[1] ?? "");
  const text = wordsFor(query.get("done"), Number(query.get("count")), texts);
  return text === undefined ? undefined : { text, isProblem: false };
}

function wordsFor(what: string | null, count: number, texts: Texts): string | undefined {
  const { done } = texts.devices;
  switch (what) {
    case "ended":
    case "gone":
    case "named":
      return done[what];
    case "others":
      if (!Number.isSafeInteger(count) || count < 0) return undefined;
      return count === 0 ? done.nothingEnded : counted(done.othersEnded, count, texts);
    default:
      return undefined;
  }
}

const pageAnswer = (
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): DevicesPageAnswer => ({
  status,
  headers: { ...NOT_KEPT, "Content-Type": "text/html; charset=utf-8", ...headers },
  body,
});

const SCRIPT = `'sha256-${createHash("sha256").update(ASKS_AGAIN).digest("base64")}'`;

/** Nothing but its own stylesheet and script, and in no frame: clicks on its buttons cannot be stolen. */
function policyFor(stylesheet: string | undefined): string {
  const origin = stylesheet === undefined ? undefined : (URL.parse(stylesheet)?.origin ?? "'self'");
  const style = origin === undefined ? "" : ` style-src ${origin};`;
  return `default-src 'none';${style} script-src ${SCRIPT}; base-uri 'none'; frame-ancestors 'none'`;
}

type TextInfo = { readonly direction?: string };

/** Node 22 has it as a method, older run times as a property. */
function directionOf(tag: string): "ltr" | "rtl" {
  const locale = new Intl.Locale(tag) as Intl.Locale & { getTextInfo?(): TextInfo; textInfo?: TextInfo };
  const { direction } = locale.getTextInfo?.() ?? locale.textInfo ?? {};
  return direction === "rtl" ? "rtl" : "ltr";
}
