import type { DatabaseSync } from "node:sqlite";

export interface Card {
  readonly id: string;
  /** Such as "Visa ending in 4242". All that anybody needs to see of a card. */
  readonly name: string;
}

export interface Invoice {
  readonly number: string;
  readonly issuedAt: number;
  readonly amount: string;
}

export interface Account {
  readonly plan: string;
  readonly price: string;
  readonly nextPaymentAt: number;
  readonly cards: readonly Card[];
  /** The card that pays. */
  readonly card: Card;
  /** The newest first. */
  readonly invoices: readonly Invoice[];
}

const PLAN = "Household";
const PRICE = "€12.00";
const FIRST_CARD: Card = { id: "visa", name: "Visa ending in 4242" };
const CARDS: readonly Card[] = [FIRST_CARD, { id: "mastercard", name: "Mastercard ending in 4444" }];
const INVOICES = 4;

const CREATE = `
  CREATE TABLE IF NOT EXISTS demo_billing (
    user_id INTEGER PRIMARY KEY REFERENCES demo_users (id) ON DELETE CASCADE,
    card TEXT NOT NULL
  ) STRICT`;

/** All users have the same made-up plan, cards and invoices. Only the user's choice of the card that pays is kept. */
export class Billing {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec(CREATE);
  }

  accountOf(userId: number, now: number): Account {
    const chosen = this.#db.prepare("SELECT card FROM demo_billing WHERE user_id = ?").get(userId)?.["card"];
    return {
      plan: PLAN,
      price: PRICE,
      nextPaymentAt: firstOfMonth(now, 1),
      cards: CARDS,
      card: findCard(String(chosen)) ?? FIRST_CARD,
      invoices: Array.from({ length: INVOICES }, (_, index) => invoice(firstOfMonth(now, -index))),
    };
  }

  payWith(userId: number, { id }: Card): void {
    this.#db
      .prepare(
        "INSERT INTO demo_billing (user_id, card) VALUES (?, ?) ON CONFLICT DO UPDATE SET card = excluded.card",
      )
      .run(userId, id);
  }
}

export const findCard = (id: string): Card | undefined => CARDS.find((card) => card.id === id);

function invoice(issuedAt: number): Invoice {
  return { number: new Date(issuedAt).toISOString().slice(0, 7), issuedAt, amount: PRICE };
}

function firstOfMonth(now: number, monthsAhead: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + monthsAhead, 1);
}
