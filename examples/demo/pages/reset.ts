import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { emailField, passwordField } from "./account.ts";
import { page, problemNote } from "./layout.ts";

export function resetPage(frame: Frame | undefined, { problem }: { problem: string | undefined }): Html {
  const body = html`${problemNote(problem)}
<form method="post" action="/reset" class="card form">
<p>Give the email of your account. A link comes to it, by which you choose a new password.</p>
${emailField("")}
<button>Send a link</button>
<p class="hint">The demo sends no mail: it prints the link where it runs, and shows it in the <a href="/lab#messages">lab</a>.</p>
</form>
<p>Do you know it after all? <a href="/login">Sign in</a></p>`;
  return page(frame, { title: "Forgotten password", isNarrow: true }, body);
}

export interface NewPasswordModel {
  readonly email: string;
  readonly token: string;
  readonly problem: string | undefined;
}

export function newPasswordPage(frame: Frame | undefined, model: NewPasswordModel): Html {
  const { email, token, problem } = model;
  const body = html`${problemNote(problem)}
<form method="post" action="/reset/new" class="card form">
<p>Choose a new password for <strong>${email}</strong>. You are signed out everywhere, and in again here.</p>
${passwordField("password", "New password", "new-password")}
<input type="hidden" name="token" value="${token}">
<button>Set password</button>
</form>`;
  return page(frame, { title: "Choose a new password", isNarrow: true }, body);
}
