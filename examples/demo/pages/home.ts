import type { Level, Outcome } from "psession";
import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { levelBadge, page, problemNote } from "./layout.ts";
import { time } from "./time.ts";

export interface HomeModel {
  readonly now: number;
  readonly outcome: Outcome;
  readonly authenticatedAt: number | undefined;
  readonly cart: readonly string[];
  readonly problem?: string | undefined;
}

export function homePage(frame: Frame | undefined, model: HomeModel): Html {
  const level = frame?.level ?? "anonymous";
  const body = html`${outcomeNote(model.outcome)}
<div class="cards">
<section class="card" aria-labelledby="you">
<h2 id="you">You ${levelBadge(level)}</h2>
${level === "anonymous" ? stranger : known(level, frame?.email, model)}
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

/** Of all outcomes for the cookies, those that a visitor should act on. */
function outcomeNote(outcome: Outcome): Html | undefined {
  if (outcome === "theft") {
    return html`<div class="note bad" role="alert">
<p><strong>Somebody used an old copy of your sign-in, so we ended it.</strong></p>
<p>Sign in again and consider changing your password.</p>
</div>`;
  }
  if (outcome === "revoked")
    return html`<p class="note" role="status">Your sign-in in this browser was ended. Please sign in again.</p>`;
  return undefined;
}

const stranger = html`<p>The cart works for you all the same, and comes along when you sign in.</p>
<p class="actions"><a class="button" href="/login">Sign in</a> <a class="button quiet" href="/register">Register</a></p>`;

function known(level: Level, email: string | undefined, { authenticatedAt, now }: HomeModel): Html {
  return html`<p>You are <strong>${email}</strong>. ${
    level === "remembered"
      ? "A remember cookie brought you back; billing will ask for your password."
      : "You proved that it is you."
  }</p>
${authenticatedAt !== undefined && html`<p class="hint">Last proved ${time(authenticatedAt, now)}.</p>`}
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
