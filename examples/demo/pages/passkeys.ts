import { type Html, html } from "../html.ts";
import type { Passkey } from "../passkeys.ts";
import type { Frame } from "../visitor.ts";
import { page } from "./layout.ts";
import { time } from "./time.ts";

export const PASSKEY_SCRIPT = "passkeys.js";

export interface PasskeyButton {
  readonly label: string;
  /** "create" makes one, "get" uses one. */
  readonly does: "create" | "get";
  readonly action: string;
  /** The page that follows. */
  readonly next: string;
  /** The id of the form whose tick or name goes along. */
  readonly form?: string;
  /** The one thing to do on the page. */
  readonly isMain?: boolean;
}

/** Needs the script of passkeys: browsers have no form for them. */
export function passkeyButton({ label, does, action, next, form, isMain }: PasskeyButton): Html {
  return html`<div class="passkey js">
<p class="note bad" role="alert" data-problem hidden></p>
<button type="button" disabled${!isMain && html` class="quiet"`} data-passkey="${does}" data-action="${action}" data-next="${next}"${form !== undefined && html` form="${form}"`}>${label}</button>
</div>`;
}

export function newPasskeyPage(frame: Frame | undefined): Html {
  const body = html`<noscript><p class="note bad">A passkey needs JavaScript.</p></noscript>
<div class="card js">
<form id="new-passkey" class="form">
<p>A passkey signs you in by the lock of your phone or computer, without password and code.</p>
<label for="name">Name</label>
<input id="name" name="name" required maxlength="50" autocomplete="off" value="My passkey" aria-describedby="name-hint">
<p class="hint" id="name-hint">By which you tell it from others, such as “Phone”.</p>
</form>
${passkeyButton({ label: "Make a passkey", does: "create", action: "/account/passkeys", next: "/account", form: "new-passkey", isMain: true })}
</div>
<p class="after"><a href="/account">Back to your account</a></p>`;
  return page(
    frame,
    { title: "Add a passkey", path: "/account", isNarrow: true, scripts: [PASSKEY_SCRIPT] },
    body,
  );
}

export function passkeysCard(passkeys: readonly Passkey[], now: number): Html {
  return html`<section class="card" aria-labelledby="passkeys">
<h2 id="passkeys">Passkeys <span class="count">${passkeys.length}</span></h2>
${
  passkeys.length === 0
    ? html`<p>A passkey signs you in by the lock of your phone or computer. It counts as two factors.</p>`
    : html`<ul class="list">${passkeys.map((passkey) => passkeyItem(passkey, now))}</ul>`
}
<p class="actions"><a class="button quiet" href="/account/passkeys/new">Add a passkey</a></p>
</section>`;
}

function passkeyItem({ name, createdAt, lastUsedAt, credential }: Passkey, now: number): Html {
  return html`<li><div>${name}<div class="hint">Made ${time(createdAt, now)}, ${
    lastUsedAt === undefined ? "not used yet" : html`used ${time(lastUsedAt, now)}`
  }</div></div>
<form method="post" action="/account/passkeys/${encodeURIComponent(credential.id)}/remove">
<button class="quiet small" aria-label="Remove ${name}">Remove</button></form></li>`;
}
