import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";

const PLACES = [
  ["/", "Home"],
  ["/devices", "Devices"],
  ["/billing", "Billing"],
  ["/lab", "Lab"],
] as const;

export interface PageHead {
  readonly title: string;
  /** The entry of the menu that this page is. */
  readonly path?: string;
  readonly wide?: boolean;
}

/** The frame of every page. Without a visitor, the part about the visitor stays out. */
export function page(frame: Frame | undefined, { title, path, wide }: PageHead, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – psession demo</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/demo.css">
<script src="/assets/demo.js" type="module"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<a class="brand" href="/"><img src="/assets/icon.svg" alt="" width="28" height="28"> psession demo</a>
<nav aria-label="Pages"><ul>${PLACES.map(([to, name]) => place(to, name, to === path))}</ul></nav>
${frame && account(frame)}
</header>
<main id="main"${wide && html` class="wide"`}>
${frame?.notice && html`<p class="note good" role="status">${frame.notice}</p>`}
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`;
}

/** What was wrong with a form, right above it. */
export function problemNote(problem: string | undefined): Html | undefined {
  return problem === undefined ? undefined : html`<p class="note bad" role="alert">${problem}</p>`;
}

/** The demo's clock, in UTC so that it looks the same everywhere. */
export function time(at: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace("T", " ")} UTC</time>`;
}

function place(to: string, name: string, isHere: boolean): Html {
  return isHere
    ? html`<li><a href="${to}" aria-current="page">${name}</a></li>`
    : html`<li><a href="${to}">${name}</a></li>`;
}

function account({ level, email }: Frame): Html {
  if (level === "anonymous") {
    return html`<div class="account"><a class="button" href="/login">Sign in</a></div>`;
  }
  return html`<div class="account">
<span class="who">${email}</span>
<form method="post" action="/logout"><button class="quiet">Sign out</button></form>
</div>`;
}
