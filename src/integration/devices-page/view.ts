import type { Device } from "../../account/devices.ts";
import { nameOfBrowser, timeIn, type Wording } from "../../account/texts/shown.ts";
import { filled, worded } from "../../account/texts/table.ts";
import { Html, html } from "../html.ts";

/** A sentence above the list: what was done, or what is wrong. */
export interface Message {
  readonly text: string;
  readonly isProblem: boolean;
}

export interface View {
  readonly wording: Wording;
  readonly message: Message | undefined;
  /** Undefined where the visitor may not see them. */
  readonly devices: readonly Device[] | undefined;
  /** An administrator acts as the user. */
  readonly isActedIn: boolean;
}

/** Heading, message and list: what stands in the page's `main`. */
export function contentOf({ wording, message, devices, isActedIn }: View): Html {
  const { texts, timeZone } = wording;
  const { title, lead, times, endOthers, endAll, impersonating } = texts.devices;
  const head = html`<h1>${title}</h1>
${message && shownMessage(message)}`;
  if (devices === undefined) return head;
  const hasOthers = devices.some(({ current }) => !current);
  return html`${head}
<p>${lead}</p>
${isActedIn && html`<p class="psession-impersonating">${impersonating}</p>`}
<ul class="psession-devices" role="list">
${devices.map((device, index) => item(device, index, wording, isActedIn))}</ul>
<p class="psession-times">${filled(times, { timeZone })}</p>
<div class="psession-all">
${hasOthers && html`<form method="post"><button name="do" value="end-others">${endOthers}</button></form>`}
${!isActedIn && html`<form method="post"><button name="do" value="end-all">${endAll}</button></form>`}
</div>`;
}

/** Focused, so that a screen reader begins with it after the redirect. */
const shownMessage = ({ text, isProblem }: Message): Html =>
  isProblem
    ? html`<p class="psession-problem" role="alert" tabindex="-1" autofocus>${text}</p>`
    : html`<p class="psession-message" role="status" tabindex="-1" autofocus>${text}</p>`;

/** Ids of its elements come from its place in the list: handles may begin with a digit. */
function item(device: Device, index: number, wording: Wording, isActedIn: boolean): Html {
  const { devices, methods: words } = wording.texts;
  const { handle, name, current, level, address, place, methods, isRemembered, trustedUntil, boundSince } =
    device;
  const id = `psession-device-${index}`;
  const browser = nameOfBrowser(device.userAgent, wording.texts) ?? devices.unknownBrowser;
  const time = (at: number) =>
    html`<time datetime="${new Date(at).toISOString()}">${timeIn(at, wording)}</time>`;
  const withTime = (text: string, at: number) => markedUp(text, "{time}", time(at));
  const fact = (term: string, value: Html | string) => html`<div><dt>${term}</dt><dd>${value}</dd></div>
`;
  // Otherwise a browser on which nobody is signed in, and which the user trusts.
  const isSignedIn = level !== "anonymous";
  return html`<li class="psession-device"${current && new Html(' aria-current="true"')}>
<h2 id="${id}"><bdi>${name ?? browser}</bdi></h2>
${current && html`<p class="psession-current">${devices.thisDevice}</p>`}
<dl>
${name !== undefined && fact(devices.browser, browser)}${fact(devices.place, whereabouts(place, address, wording))}${fact(devices.lastSeen, time(device.lastSeenAt))}${fact(devices.firstSeen, time(device.firstSeenAt))}${
  methods.length > 0 &&
  fact(
    devices.signedInBy,
    new Intl.ListFormat(wording.texts.locale).format(methods.map((method) => worded(words, method))),
  )
}${isRemembered && fact(devices.remembered, withTime(devices.rememberedUntil, device.expiresAt))}${
  trustedUntil !== undefined && fact(devices.trusted, withTime(devices.trustedUntil, trustedUntil))
}${boundSince !== undefined && fact(devices.bound, withTime(devices.boundSince, boundSince))}</dl>
${!isSignedIn && html`<p class="psession-not-signed-in">${devices.notSignedIn}</p>`}
${isSignedIn && !isActedIn && nameForm(device, id, wording)}
<form method="post">
<input type="hidden" name="handle" value="${handle}">
<button name="do" value="end" id="${id}-end" aria-labelledby="${id}-end ${id}">${isSignedIn ? devices.end : devices.endTrust}</button>
</form>
</li>
`;
}

const nameForm = ({ handle, name }: Device, id: string, { texts }: Wording): Html => html`<form method="post">
<input type="hidden" name="handle" value="${handle}">
<label for="${id}-name">${texts.devices.name}</label>
<input id="${id}-name" name="name" value="${name}" maxlength="100" autocomplete="off" aria-describedby="${id}">
<button name="do" value="name" id="${id}-save" aria-labelledby="${id}-save ${id}">${texts.devices.saveName}</button>
</form>`;

function whereabouts(place: string | undefined, address: string | undefined, { texts }: Wording): string {
  if (place === undefined) return address ?? texts.devices.unknownPlace;
  return address === undefined ? place : filled(texts.devices.placeAddress, { place, address });
}

/** A text with markup in the place of a placeholder. */
function markedUp(text: string, placeholder: string, value: Html): Html {
  const [before = "", ...after] = text.split(placeholder);
  return html`${before}${after.map((part) => html`${value}${part}`)}`;
}

/**
 * Chromium keeps a page for the back button in spite of no-store, and shows it after a sign-out. Without scripts it does
 * so still.
 */
export const ASKS_AGAIN =
  'addEventListener("pageshow",({persisted})=>{if(persisted)location.replace(location.pathname)})';

/** A whole page of psession's own. */
export const documentOf = (
  content: Html,
  {
    title,
    lang,
    dir,
    stylesheet,
  }: { title: string; lang: string; dir: string; stylesheet: string | undefined },
): string =>
  html`<!doctype html>
<html lang="${lang}" dir="${dir}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
${stylesheet !== undefined && html`<link rel="stylesheet" href="${stylesheet}">`}
<script>${new Html(ASKS_AGAIN)}</script>
</head>
<body>
<main class="psession">
${content}
</main>
</body>
</html>
`.text;
