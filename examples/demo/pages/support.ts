import { type Html, html } from "../html.ts";
import type { User } from "../users.ts";
import type { Frame } from "../visitor.ts";
import { page, problemNote } from "./layout.ts";

export interface SupportModel {
  readonly customers: readonly User[];
  readonly problem: string | undefined;
}

export function supportPage(frame: Frame | undefined, { customers, problem }: SupportModel): Html {
  const lead = html`See what a customer sees. It lasts a quarter of an hour, changes nothing that is theirs alone, and the
customer finds your name and reason in their account. Or sign the customer out, where somebody else may be signed in.`;
  const body = html`${problemNote(problem)}
${
  customers.length === 0
    ? html`<p>There are no customers yet: register one in another browser.</p>`
    : html`<form method="post" action="/support/act" class="card form">
<label for="user">Customer</label>
<select id="user" name="user">${customers.map(({ id, email }) => html`<option value="${id}">${email}</option>`)}</select>
<label for="reason">Reason</label>
<input id="reason" name="reason" maxlength="100" autocomplete="off" placeholder="Ticket 4711" required>
<div class="actions">
<button>Act as this customer</button>
<button class="danger" formaction="/support/sign-out">Sign out everywhere</button>
</div>
</form>`
}`;
  return page(frame, { title: "Support", path: "/support", lead, isNarrow: true }, body);
}

export function refusedPage(frame: Frame | undefined): Html {
  const lead = html`Only the user may use that page. Stop acting as them first.`;
  return page(frame, { title: "Not for support", lead, isNarrow: true }, html`<p><a href="/">Home</a></p>`);
}
