import type { DatabaseSync } from "node:sqlite";
import { generateSecret, generateURI, verify } from "otplib";
import type { Clock } from "psession";
import { type Attempts, afterFailure, locked, NO_ATTEMPTS } from "./attempts.ts";
import { Refusal } from "./refusal.ts";
import type { User } from "./users.ts";

const CREATE = `
  CREATE TABLE IF NOT EXISTS demo_otp (
    user_id INTEGER PRIMARY KEY REFERENCES demo_users (id),
    secret TEXT NOT NULL,
    last_step INTEGER NOT NULL,
    failed_attempts INTEGER NOT NULL DEFAULT 0,
    locked_until INTEGER NOT NULL DEFAULT 0
  ) STRICT`;

const ISSUER = "psession demo";
/** A code counts for one step of 30 seconds before and after its own: phones are not on time, and typing takes a while. */
const TOLERANCE_SECONDS = 30;

/** Codes of an authenticator app (TOTP, RFC 6238) as a second factor. A real app encrypts the secrets that it keeps. */
export class Otp {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  /** The authenticator's clock: the lab does not move it. */
  readonly #time: () => number;

  constructor(db: DatabaseSync, clock: Clock, time: () => number) {
    this.#db = db;
    this.#clock = clock;
    this.#time = time;
    db.exec(CREATE);
  }

  isOn(userId: number): boolean {
    return this.#find(userId) !== undefined;
  }

  newSecret(): string {
    return generateSecret();
  }

  /** What authenticator apps take, as a link or in a QR code. */
  addressOf({ email }: User, secret: string): string {
    return generateURI({ issuer: ISSUER, label: email, secret });
  }

  /** Switches codes on, by a first code that shows that the app has the secret. That code is used up as well. */
  async switchOn(userId: number, secret: string, code: string): Promise<void> {
    const step = await this.#stepOf(secret, code);
    if (step === undefined) throw wrongCode();
    this.#db
      .prepare(
        "INSERT INTO demo_otp (user_id, secret, last_step) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET secret = excluded.secret, last_step = excluded.last_step",
      )
      .run(userId, secret, step);
  }

  switchOff(userId: number): void {
    this.#db.prepare("DELETE FROM demo_otp WHERE user_id = ?").run(userId);
  }

  /** Throws a Refusal unless the code is right, was not used before, and not too many wrong ones came in a row. */
  async check(userId: number, code: string): Promise<void> {
    const found = this.#find(userId);
    if (found === undefined) throw new Refusal(409, "no_codes", "You have not switched codes on.");
    const { secret, attempts } = found;
    const now = this.#clock.now();
    if (attempts.lockedUntil > now) throw locked("codes", attempts.lockedUntil - now);
    // Counted before it is checked, so that guesses sent all at once are counted too.
    this.#setAttempts(userId, afterFailure(attempts, now));
    const step = await this.#stepOf(secret, code);
    if (step === undefined || !this.#use(userId, step)) throw wrongCode();
    this.#setAttempts(userId, NO_ATTEMPTS);
  }

  /** The time step whose code this is; undefined for a wrong one. */
  async #stepOf(secret: string, token: string): Promise<number | undefined> {
    const epoch = Math.floor(this.#time() / 1000);
    const result = await verify({ secret, token, epoch, epochTolerance: TOLERANCE_SECONDS });
    return result.valid && "timeStep" in result ? result.timeStep : undefined;
  }

  /** False where this code or a later one was used already. One statement, so that of two at once one counts. */
  #use(userId: number, step: number): boolean {
    const { changes } = this.#db
      .prepare("UPDATE demo_otp SET last_step = ? WHERE user_id = ? AND last_step < ?")
      .run(step, userId, step);
    return Number(changes) === 1;
  }

  #setAttempts(userId: number, { failures, lockedUntil }: Attempts): void {
    this.#db
      .prepare("UPDATE demo_otp SET failed_attempts = ?, locked_until = ? WHERE user_id = ?")
      .run(failures, lockedUntil, userId);
  }

  #find(userId: number): { readonly secret: string; readonly attempts: Attempts } | undefined {
    const row = this.#db.prepare("SELECT * FROM demo_otp WHERE user_id = ?").get(userId);
    if (row === undefined) return undefined;
    const attempts = { failures: Number(row["failed_attempts"]), lockedUntil: Number(row["locked_until"]) };
    return { secret: String(row["secret"]), attempts };
  }
}

const wrongCode = (): Refusal =>
  new Refusal(401, "wrong_code", "That code is wrong, or was used already. Please wait for the next one.");
