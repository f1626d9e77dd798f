import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { passwordField } from "./account.ts";
import { codeField } from "./code.ts";
import { page, problemNote } from "./layout.ts";
import { PASSKEY_SCRIPT, passkeyButton } from "./passkeys.ts";

export interface ProveModel {
  readonly next: string;
  readonly problem: string | undefined;
  readonly asksPassword: boolean;
  readonly asksCode: boolean;
  readonly hasCodes: boolean;
  readonly hasPasskeys: boolean;
}

/** Asks for the factors that are missing, one at a time: each leads back to the page that needs them. */
export function provePage(frame: Frame | undefined, model: ProveModel): Html {
  const { next, asksPassword, asksCode, hasCodes, hasPasskeys, problem } = model;
  const hidden = html`<input type="hidden" name="next" value="${next}">`;
  const forms = html`${
    asksPassword &&
    hasCodes &&
    html`<form method="post" action="/prove/password" class="card form">
${passwordField("password", "Password", "current-password")}
${hidden}
<button>Confirm password</button>
</form>`
  }${
    asksCode &&
    html`<form method="post" action="/prove/code" class="card form">
${codeField()}
${hidden}
<button>Confirm code</button>
</form>`
  }`;
  const body = html`${problemNote(problem)}
<p>What comes next needs two factors of you, <strong>${frame?.email}</strong>, both within the last ten minutes. A passkey counts as two.</p>
${hasCodes && forms}
${hasPasskeys && html`<noscript><p class="note">Passkeys need JavaScript.</p></noscript>`}
${hasPasskeys && passkeyButton({ label: "Use a passkey", does: "get", action: "/prove/passkey", next, isMain: !hasCodes })}
${!hasCodes && !hasPasskeys && nothing}`;
  const scripts = hasPasskeys ? [PASSKEY_SCRIPT] : [];
  return page(frame, { title: "Prove that it is you", isNarrow: true, scripts }, body);
}

const nothing = html`<section class="card">
<p>You have one factor only, your password. Switch codes on or add a passkey, and come back.</p>
<p class="actions"><a class="button" href="/account">Go to your account</a></p>
</section>`;

export interface DataModel {
  readonly email: string;
  readonly hasCodes: boolean;
  readonly passkeys: readonly string[];
  readonly cart: readonly string[];
  readonly devices: readonly { readonly label: string; readonly place: string | undefined }[];
}

export function dataPage(
  frame: Frame | undefined,
  { email, hasCodes, passkeys, cart, devices }: DataModel,
): Html {
  const lead = html`What this demo keeps of you. The page opens for two factors only, each proved within ten minutes.`;
  const body = html`<section class="card">
<dl>
<div><dt>Email</dt><dd>${email}</dd></div>
<div><dt>Codes</dt><dd>${hasCodes ? "On" : "Off"}</dd></div>
<div><dt>Passkeys</dt><dd>${passkeys.length === 0 ? "None" : passkeys.join(", ")}</dd></div>
<div><dt>Cart</dt><dd>${cart.length === 0 ? "Empty" : cart.join(", ")}</dd></div>
<div><dt>Devices</dt><dd>${devices.map(({ label, place }) => `${label}, ${place ?? "place unknown"}`).join("; ")}</dd></div>
</dl>
</section>`;
  return page(frame, { title: "Your data", path: "/account", lead }, body);
}
