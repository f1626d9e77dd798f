import type { Account, Card, Invoice } from "../billing.ts";
import { type Html, html } from "../html.ts";
import type { Frame } from "../visitor.ts";
import { page, problemNote } from "./layout.ts";
import { date, time } from "./time.ts";

export interface BillingModel {
  readonly now: number;
  readonly authenticatedAt: number;
  readonly account: Account;
}

export function billingPage(frame: Frame | undefined, { now, authenticatedAt, account }: BillingModel): Html {
  const { plan, price, nextPaymentAt, card, cards, invoices } = account;
  const lead = html`You proved that it is you ${time(authenticatedAt, now)}. This page asks again after ten minutes,
and whenever a remember cookie brought you back.`;
  const body = html`<div class="cards">
<section class="card" aria-labelledby="plan">
<h2 id="plan">Plan</h2>
<p class="amount">${price} <span class="hint">a month</span></p>
<dl>
<div><dt>Name</dt><dd>${plan}</dd></div>
<div><dt>Next payment</dt><dd>${date(nextPaymentAt)}, ${time(nextPaymentAt, now)}</dd></div>
<div><dt>From</dt><dd>${card.name}</dd></div>
</dl>
</section>
<section class="card" aria-labelledby="cards">
<h2 id="cards">Cards</h2>
<ul class="list">${cards.map((each) => cardItem(each, each.id === card.id))}</ul>
<p class="actions"><a class="button quiet" href="/billing/card">Pay with another card</a></p>
<p class="hint">A change asks once more, unless that was within two minutes.</p>
</section>
<section class="card full" aria-labelledby="invoices">
<h2 id="invoices">Invoices</h2>
<table aria-labelledby="invoices">
<thead><tr><th scope="col">Date</th><th scope="col">Number</th><th scope="col">State</th><th scope="col" class="number">Amount</th></tr></thead>
<tbody>${invoices.map(invoiceRow)}</tbody>
</table>
</section>
</div>
<p class="hint">All of this is made up: nobody is ever charged.</p>`;
  return page(frame, { title: "Billing", path: "/billing", lead }, body);
}

export interface CardModel {
  readonly account: Account;
  readonly problem: string | undefined;
}

export function cardPage(frame: Frame | undefined, { account, problem }: CardModel): Html {
  const { cards, card } = account;
  const body = html`${problemNote(problem)}
<form method="post" action="/billing/card" class="card form">
<fieldset>
<legend>Pay with</legend>
${cards.map((each) => cardChoice(each, each.id === card.id))}
</fieldset>
<div class="actions">
<button>Save</button>
<a class="button quiet" href="/billing">Cancel</a>
</div>
</form>`;
  return page(frame, { title: "Pay with another card", path: "/billing", isNarrow: true }, body);
}

function cardItem({ name }: Card, pays: boolean): Html {
  return html`<li><span>${name}</span>${pays && html`<span class="badge login">Default</span>`}</li>`;
}

function cardChoice({ id, name }: Card, isChosen: boolean): Html {
  return html`<label class="check"><input type="radio" name="card" value="${id}" required${isChosen && html` checked`}> ${name}</label>`;
}

function invoiceRow({ number, issuedAt, amount }: Invoice): Html {
  return html`<tr><td>${date(issuedAt)}</td><td>${number}</td><td>Paid</td><td class="number">${amount}</td></tr>`;
}
