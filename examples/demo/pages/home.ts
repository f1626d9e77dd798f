import type { Level } from "psession";
import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { endedNote, levelBadge, page, problemNote } from "./layout.ts";
import { time } from "./time.ts";

export interface HomeModel {
  readonly now: number;
  /** Why the visitor was signed out, if that is known and may be said. */
  readonly ended: string | undefined;
  readonly authenticatedAt: number | undefined;
  readonly cart: readonly string[];
  readonly problem?: string | undefined;
}

export function homePage(frame: Frame | undefined, model: HomeModel): Html {
  const level = frame?.level ?? "anonymous";
  const body = html`${endedNote(model.ended)}
<div class="cards">
<section class="card" aria-labelledby="you">
<h2 id="you">You ${levelBadge(level)}</h2>
${level === "anonymous" ? stranger : known(level, frame, model)}
</section>
<section class="card" aria-labelledby="cart">
<h2 id="cart">Your cart <span class="count">${model.cart.length}</span></h2>
${problemNote(model.problem)}
${cartList(model.cart)}
<form method="post" action="/cart" class="row">
<label for="item">Add something</label>
<input id="item" name="item" required maxlength="80" autocomplete="off">
<button>Add</button>
</form>
</section>
</div>`;
  return page(frame, { title: "Home", heading: "Sessions that survive", lead, path: "/" }, body);
}

const lead = html`This is a small app that runs on psession, a session library for Node. psession keeps people signed in
after their browser was closed, notices stolen cookies, and lists the devices somebody is signed in on.
In the <a href="/lab">lab</a> you can move the clock, close the browser and let a thief in.`;

const stranger = html`<p>The cart works for you all the same, and comes along when you sign in.</p>
<p class="actions"><a class="button" href="/login">Sign in</a> <a class="button quiet" href="/register">Register</a></p>`;

function known(level: Level, frame: Frame | undefined, { authenticatedAt, now }: HomeModel): Html {
  const { email, actor } = frame ?? {};
  return html`<p>You are <strong>${actor === undefined ? email : actor.email}</strong>${actor && html` and see what <strong>${email}</strong> sees`}. ${
    actor !== undefined
      ? "Billing, factors and names of devices are theirs alone."
      : level === "remembered"
        ? "A remember cookie brought you back; billing will ask for your password."
        : "You proved that it is you."
  }</p>
${actor === undefined && authenticatedAt !== undefined && html`<p class="hint">Last proved ${time(authenticatedAt, now)}.</p>`}
<p class="actions"><a class="button quiet" href="/devices">Devices</a> <a class="button quiet" href="/account">Account</a></p>`;
}

function cartList(cart: readonly string[]): Html {
  if (cart.length === 0) return html`<p class="hint">There is nothing in it.</p>`;
  return html`<ul class="list">${cart.map(cartItem)}</ul>`;
}

function cartItem(item: string, index: number): Html {
  return html`<li><span>${item}</span>
<form method="post" action="/cart/remove"><input type="hidden" name="index" value="${index}">
<button class="quiet small" aria-label="Remove ${item}">Remove</button></form></li>`;
}
