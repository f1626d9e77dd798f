import { type Html, html } from "../html.ts";
import { withNext } from "../input.ts";
import type { Frame } from "../visitor.ts";
import { page, problemNote } from "./layout.ts";

export interface CodeModel {
  readonly email: string;
  readonly next: string;
  readonly problem: string | undefined;
}

/** The second step of a sign-in. */
export function codePage(frame: Frame | undefined, { email, next, problem }: CodeModel): Html {
  const body = html`${problemNote(problem)}
<form method="post" action="/login/code" class="card form">
<p>One more step, and you are signed in as <strong>${email}</strong>.</p>
${codeField()}
<label class="check"><input type="checkbox" name="trust">
<span>Do not ask for a code on this browser for 30 days <span class="hint">Only where nobody else uses it.</span></span></label>
<input type="hidden" name="next" value="${next}">
<button>Sign in</button>
</form>
<p><a href="${withNext("/login", next)}">Sign in as somebody else</a></p>`;
  return page(frame, { title: "Enter your code", isNarrow: true }, body);
}

export function codeField(): Html {
  return html`<label for="code">Code</label>
<input id="code" name="code" required maxlength="20" inputmode="numeric" autocomplete="one-time-code" aria-describedby="code-hint">
<p class="hint" id="code-hint">Six digits from your authenticator app. Each code works once.</p>`;
}
