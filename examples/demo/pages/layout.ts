import type { Level } from "psession";
import { type Html, html } from "../html.ts";
import { isSupport } from "../support.ts";
import type { Frame } from "../visitor.ts";

const PLACES: readonly (readonly [string, string])[] = [
  ["/", "Home"],
  ["/devices", "Devices"],
  ["/billing", "Billing"],
  ["/account", "Account"],
  ["/lab", "Lab"],
];
const SUPPORT = ["/support", "Support"] as const;

export interface PageHead {
  readonly title: string;
  /** The headline, if it differs from the title; false where the body has it. */
  readonly heading?: string | false;
  /** What the page is for, under the headline. */
  readonly lead?: Html;
  /** The entry of the menu that this page is, or is under. */
  readonly path?: string;
  /** For a page that is one form. */
  readonly isNarrow?: boolean;
  /** The scripts that add to this page, by their name under /assets. */
  readonly scripts?: readonly string[];
}

/** The frame of every page. Without a visitor, the part about the visitor stays out. */
export function page(frame: Frame | undefined, head: PageHead, body: Html): Html {
  const { title, heading = title, lead, path, isNarrow = false, scripts = [] } = head;
  const isSignedIn = frame !== undefined && frame.level !== "anonymous";
  const all = isSignedIn ? [...scripts, "session-end.js"] : scripts;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – psession demo</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/demo.css">
${all.map((name) => html`<script src="/assets/${name}" type="module"></script>`)}
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<div class="top-row">
<a class="brand" href="/"><img src="/assets/icon.svg" alt="" width="28" height="28"> psession demo</a>
<nav aria-label="Pages"><ul>${placesOf(frame).map(([to, name]) => place(to, name, to === path))}</ul></nav>
${frame && account(frame)}
</div>
</header>
<main id="main"${isNarrow && html` class="narrow"`}>
${frame?.actor && actingNote(frame, frame.actor)}
${frame?.notice && html`<p class="note good" role="status">${frame.notice}</p>`}
${heading !== false && html`<h1>${heading}</h1>`}
${lead && html`<p class="lead">${lead}</p>`}
${body}
</main>
${isSignedIn && sessionEnd}
</body>
</html>
`;
}

const placesOf = (frame: Frame | undefined) =>
  frame?.email !== undefined && isSupport({ email: frame.email }) ? [...PLACES, SUPPORT] : PLACES;

/** On every page while somebody acts as the user: nobody must forget it. */
function actingNote({ email }: Frame, actor: NonNullable<Frame["actor"]>): Html {
  return html`<div class="note acting" role="status">
<p><strong>${actor.email}</strong> acts as <strong>${email}</strong>: ${actor.reason}</p>
<form method="post" action="/support/stop"><button class="quiet">Stop</button></form>
</div>`;
}

/** Shown by its script when the sign-in is about to end. */
const sessionEnd = html`<div class="ending" data-session-end hidden>
<p><span role="status" data-text></span> <span role="timer" data-left></span></p>
<button type="button" data-extend>Stay signed in</button>
<a class="button" href="/login" data-sign-in hidden>Sign in again</a>
</div>`;

const LEVELS: Record<Level, string> = {
  anonymous: "Not signed in",
  remembered: "Remembered",
  login: "Signed in",
  "device-bound": "Signed in, bound",
};

export function levelBadge(level: Level): Html {
  return html`<span class="badge ${level}">${LEVELS[level]}</span>`;
}

/** The error of a form, directly above it. */
export function problemNote(problem: string | undefined): Html | undefined {
  return problem === undefined ? undefined : html`<p class="note bad" role="alert">${problem}</p>`;
}

/** Why this browser was signed out. */
export function endedNote(text: string | undefined): Html | undefined {
  return text === undefined ? undefined : html`<p class="note" role="status">${text}</p>`;
}

function place(to: string, name: string, isHere: boolean): Html {
  return isHere
    ? html`<li><a href="${to}" aria-current="page">${name}</a></li>`
    : html`<li><a href="${to}">${name}</a></li>`;
}

function account({ level, email }: Frame): Html {
  if (level === "anonymous") {
    return html`<div class="account"><a class="button quiet" href="/login">Sign in</a></div>`;
  }
  return html`<div class="account">
<span class="email">${email}</span>
<form method="post" action="/logout"><button class="quiet">Sign out</button></form>
</div>`;
}
