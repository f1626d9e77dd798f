import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { page } from "./layout.ts";

export function errorPage(frame: Frame | undefined, message: string): Html {
  const body = html`<p class="note bad">${message}</p>
<p><a href="/">Go to the home page</a></p>`;
  return page(frame, { title: "That did not work", isNarrow: true }, body);
}
