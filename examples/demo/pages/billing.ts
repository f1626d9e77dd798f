import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { page, time } from "./layout.ts";

export function billingPage(frame: Frame | undefined, authenticatedAt: number): Html {
  const body = html`<section class="card">
<p>You gave your password within the last ten minutes (${time(authenticatedAt)}), so this page trusts that it is you.</p>
<p class="hint">A remember cookie is not enough for this page. A real app would show invoices and cards here.</p>
</section>`;
  return page(frame, { title: "Billing", path: "/billing" }, body);
}
