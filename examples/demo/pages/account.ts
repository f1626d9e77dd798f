import { type Html, html } from "../html.ts";
import { withNext } from "../input.ts";
import type { LastLogin } from "../last-login.ts";
import type { Frame } from "../visitor.ts";
import { endedNote, levelBadge, page, problemNote } from "./layout.ts";
import { PASSKEY_SCRIPT, passkeyButton } from "./passkeys.ts";

export interface SignInModel extends LastLogin {
  readonly next: string;
  readonly problem?: string | undefined;
  /** The visitor has waited too long with the second step. */
  readonly isLate?: boolean;
  /** Why the visitor was signed out, if that is known and may be said. */
  readonly ended?: string | undefined;
}

export function loginPage(frame: Frame | undefined, model: SignInModel): Html {
  const { next } = model;
  const body = html`${problemNote(model.problem)}${model.isLate && html`<p class="note" role="status">That took too long. Please sign in again.</p>`}${endedNote(model.ended)}${replacedNote(frame)}
<form method="post" action="/login" class="card form" id="sign-in">
${emailField(model.email)}
${passwordField("password", "Password", "current-password")}
${rememberBox(model.remember)}
<input type="hidden" name="next" value="${next}">
<button>Sign in</button>
</form>
${passkeyButton({ label: "Sign in with a passkey", does: "get", action: "/login/passkey", next, form: "sign-in" })}
<p><a href="/reset">Forgotten your password?</a></p>
<p>No account yet? <a href="${withNext("/register", next)}">Register</a></p>`;
  return page(frame, { title: "Sign in", isNarrow: true, scripts: [PASSKEY_SCRIPT] }, body);
}

export function registerPage(frame: Frame | undefined, model: SignInModel): Html {
  const { next } = model;
  const body = html`${problemNote(model.problem)}${replacedNote(frame)}
<form method="post" action="/register" class="card form">
${emailField(model.email)}
${passwordField("password", "Password", "new-password")}
${rememberBox(model.remember)}
<input type="hidden" name="next" value="${next}">
<button>Register</button>
<p class="hint">Nothing is sent to the address; any will do. What you enter stays in the demo's folder on this computer.</p>
</form>
<p>Registered already? <a href="${withNext("/login", next)}">Sign in</a></p>`;
  return page(frame, { title: "Register", isNarrow: true }, body);
}

/** For a user who opens the sign-in form while signed in. */
export function signedInPage(
  frame: Frame | undefined,
  { form, next }: { form: SignInForm; next: string },
): Html {
  const body = html`<section class="card">
<p>You are <strong>${frame?.email}</strong> ${frame && levelBadge(frame.level)}</p>
<div class="actions">
<a class="button" href="${next}">Continue</a>
<a class="button quiet" href="${withNext(form, next)}&amp;${AS_ANOTHER}">${
    form === "/login" ? "Sign in as somebody else" : "Register somebody else"
  }</a>
</div>
</section>`;
  return page(frame, { title: "You are signed in", isNarrow: true }, body);
}

export type SignInForm = "/login" | "/register";

/** The part of a query that asks for the form although a user is signed in. */
export const AS_ANOTHER = "another";

function replacedNote(frame: Frame | undefined): Html | undefined {
  if (frame?.email === undefined) return undefined;
  return html`<p class="note">You are signed in as <strong>${frame.email}</strong>, until somebody else is.</p>`;
}

export function confirmPage(
  frame: Frame | undefined,
  model: { next: string; hasPasskeys: boolean; problem?: string },
): Html {
  const body = html`${problemNote(model.problem)}
<form method="post" action="/confirm" class="card form">
<p>What comes next needs to know that it is you, <strong>${frame?.email}</strong>, and not somebody at your computer.</p>
${passwordField("password", "Password", "current-password")}
<input type="hidden" name="next" value="${model.next}">
<button>Confirm</button>
</form>
${model.hasPasskeys && passkeyButton({ label: "Confirm with a passkey", does: "get", action: "/prove/passkey", next: model.next })}`;
  const scripts = model.hasPasskeys ? [PASSKEY_SCRIPT] : [];
  return page(frame, { title: "Confirm your password", isNarrow: true, scripts }, body);
}

export function passwordPage(frame: Frame | undefined, model: { problem?: string }): Html {
  const body = html`${problemNote(model.problem)}
<form method="post" action="/password" class="card form">
<p>All your other devices will be signed out. This browser stays signed in, with new cookies.</p>
${passwordField("current", "Current password", "current-password")}
${passwordField("next", "New password", "new-password")}
<button>Change password</button>
</form>`;
  return page(frame, { title: "Change password", isNarrow: true }, body);
}

export function emailPage(frame: Frame | undefined, problem: string | undefined): Html {
  const body = html`${problemNote(problem)}
<form method="post" action="/account/email" class="card form">
<p>You sign in by it, and links for a new password go to it. The one that you have now, <strong>${frame?.email}</strong>, gets a message.</p>
${emailField("", "New email")}
<div class="actions">
<button>Change email</button>
<a class="button quiet" href="/account">Cancel</a>
</div>
</form>`;
  return page(frame, { title: "Change email", path: "/account", isNarrow: true }, body);
}

export function emailField(email: string, label = "Email"): Html {
  return html`<label for="email">${label}</label>
<input id="email" name="email" type="email" required maxlength="254" autocomplete="username" value="${email}">`;
}

export function passwordField(
  name: string,
  label: string,
  autocomplete: "current-password" | "new-password",
): Html {
  const isNew = autocomplete === "new-password";
  return html`<label for="${name}">${label}</label>
<input id="${name}" name="${name}" type="password" required maxlength="256" autocomplete="${autocomplete}"${
    isNew ? html` minlength="8" aria-describedby="${name}-hint"` : undefined
  }>
${isNew ? html`<p class="hint" id="${name}-hint">At least 8 characters.</p>` : undefined}`;
}

function rememberBox(isChecked: boolean): Html {
  return html`<label class="check"><input type="checkbox" name="remember"${isChecked ? html` checked` : undefined}>
<span>Remember me on this browser <span class="hint">Stay signed in after it was closed, for up to 30 days.</span></span></label>`;
}
