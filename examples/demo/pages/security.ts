import type { AuthenticationClaims, ProvedMethod } from "psession";
import { type Html, html } from "../html.ts";
import type { Passkey } from "../passkeys.ts";
import type { Frame } from "../visitor.ts";
import { codeField } from "./code.ts";
import { page, problemNote } from "./layout.ts";
import { passkeysCard } from "./passkeys.ts";
import { date, time } from "./time.ts";

export interface SecurityModel {
  readonly now: number;
  readonly proofs: readonly ProvedMethod[];
  readonly claims: AuthenticationClaims;
  readonly hasCodes: boolean;
  readonly passkeys: readonly Passkey[];
  readonly trail: readonly TrailEntry[];
  readonly isTrusted: boolean;
  /** Undefined as well where an earlier sign-in on this browser began the trust. */
  readonly trustedUntil: number | undefined;
}

const METHODS: Readonly<Record<string, string>> = {
  password: "Password",
  otp: "Code",
  passkey: "Passkey",
  link: "Link in a message",
};

/** What happened around the account. */
export interface TrailEntry {
  readonly event: string;
  readonly at: number;
  readonly detail: string | undefined;
}

export function securityPage(frame: Frame | undefined, model: SecurityModel): Html {
  const lead = html`How you have signed in here, and the ways in which you can.`;
  const body = html`<div class="cards">
${proofsCard(model)}
${codesCard(model)}
${passkeysCard(model.passkeys, model.now)}
<section class="card" aria-labelledby="email">
<h2 id="email">Email</h2>
<p class="email">${frame?.email}</p>
<p class="actions"><a class="button quiet" href="/account/email">Change email</a></p>
</section>
<section class="card" aria-labelledby="password">
<h2 id="password">Password</h2>
<p>A new password signs out all your other devices.</p>
<p class="actions"><a class="button quiet" href="/password">Change password</a></p>
</section>
${trustCard(model)}
${trailCard(model)}
<section class="card" aria-labelledby="own">
<h2 id="own">Privacy</h2>
<p>What the demo and psession keep about you, as a file; and the end of all of it.</p>
<p class="actions"><a class="button quiet" href="/account/export">Download</a> <a class="button danger" href="/account/delete">Delete account</a></p>
</section>
</div>
<p><a href="/data">Your data</a> is a page that asks for two factors, or a passkey.</p>`;
  return page(frame, { title: "Account", path: "/account", lead }, body);
}

function proofsCard({ proofs, claims, now }: SecurityModel): Html {
  const isStrong = claims.acr === "aal2";
  return html`<section class="card" aria-labelledby="proofs">
<h2 id="proofs">What you have proved ${claims.acr && html`<span class="badge${isStrong && " login"}">${isStrong ? "Two factors" : "One factor"}</span>`}</h2>
${
  proofs.length === 0
    ? html`<p>Nothing yet: a remember cookie brought you back.</p>
<p class="actions"><a class="button quiet" href="/confirm?next=/account">Confirm that it is you</a></p>`
    : html`<dl>${proofs.map(({ method, at }) => html`<div><dt>${METHODS[method] ?? method}</dt><dd>${time(at, now)}</dd></div>`)}</dl>`
}
</section>`;
}

function codesCard({ hasCodes }: SecurityModel): Html {
  return html`<section class="card" aria-labelledby="codes">
<h2 id="codes">Codes ${hasCodes ? html`<span class="badge login">On</span>` : html`<span class="badge">Off</span>`}</h2>
${
  hasCodes
    ? html`<p>After your password you are asked for a code from your authenticator app.</p>
<form method="post" action="/account/otp/off"><button class="danger">Switch codes off</button></form>`
    : html`<p>With codes from an authenticator app, your password alone lets nobody in.</p>
<form method="post" action="/account/otp/new"><button class="quiet">Switch codes on</button></form>`
}
</section>`;
}

function trustCard({ hasCodes, isTrusted, trustedUntil, now }: SecurityModel): Html | undefined {
  if (!hasCodes) return undefined;
  return html`<section class="card" aria-labelledby="trust">
<h2 id="trust">This browser</h2>
${
  isTrusted
    ? html`<p>No code is asked for here${trustedUntil !== undefined && html` until ${date(trustedUntil)}, ${time(trustedUntil, now)}`}.</p>
<form method="post" action="/devices/distrust"><button class="quiet">Ask for a code again</button></form>`
    : html`<p>You are asked for a code at each sign-in, unless you tick the box below it.</p>`
}
</section>`;
}

const EVENTS: Readonly<Record<string, string>> = {
  login: "Signed in",
  newDevice: "A browser that was new",
  signInFailed: "A sign-in that failed",
  signInBegun: "Password right, code still to come",
  logout: "Signed out",
  restored: "Came back by the remember cookie",
  recovered: "Came back by the previous remember cookie",
  reauthenticated: "Confirmed",
  trusted: "Trusts this browser",
  theft: "A stolen cookie was noticed",
  revoked: "A device was signed out",
  credentialChanged: "Changed",
  impersonationBegan: "Support saw this account",
  impersonationEnded: "Support left",
  // The demo's own, by psession.audit.add.
  cardChanged: "Another card pays",
  emailChanged: "Changed the email, which was",
  dataDownloaded: "Downloaded all data",
};

function trailCard({ trail, now }: SecurityModel): Html {
  return html`<section class="card" aria-labelledby="trail">
<h2 id="trail">What happened here</h2>
<dl>${trail.map(({ event, at, detail }) => html`<div><dt>${time(at, now)}</dt><dd>${EVENTS[event] ?? event}${detail !== undefined && html`: ${detail}`}</dd></div>`)}</dl>
</section>`;
}

export interface NewCodesModel {
  readonly secret: string;
  /** The same as an otpauth: address. */
  readonly address: string;
  readonly problem: string | undefined;
}

export function newCodesPage(frame: Frame | undefined, { secret, address, problem }: NewCodesModel): Html {
  const body = html`${problemNote(problem)}
<div class="card form">
<p>Add this account to your authenticator app, by its key:</p>
<p class="key"><code>${grouped(secret)}</code></p>
<p>or, on a phone, by <a href="${address}">opening it in the app</a>. The same as text, for a password manager:</p>
<p class="address"><code>${address}</code></p>
</div>
<form method="post" action="/account/otp" class="card form">
<p>Then enter the code that the app shows. All your other devices will be signed out.</p>
${codeField()}
<div class="actions">
<button>Switch codes on</button>
<a class="button quiet" href="/account">Cancel</a>
</div>
</form>`;
  return page(frame, { title: "Switch codes on", path: "/account", isNarrow: true }, body);
}

/** In fours, as people type it. */
const grouped = (secret: string): string => secret.replaceAll(/.{4}(?=.)/g, "$& ");
