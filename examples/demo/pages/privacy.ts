import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { page } from "./layout.ts";

export function deletePage(frame: Frame | undefined): Html {
  const body = html`<form method="post" action="/account/delete" class="card form">
<p>Your account <strong>${frame?.email}</strong> goes for good: your cart, cards and passkeys, your devices, which are signed out, and the record of what happened. Nobody can bring it back.</p>
<div class="actions">
<button class="danger">Delete my account</button>
<a class="button quiet" href="/account">Cancel</a>
</div>
</form>`;
  return page(frame, { title: "Delete account", path: "/account", isNarrow: true }, body);
}
