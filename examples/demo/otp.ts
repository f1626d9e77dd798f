import type { DatabaseSync } from "node:sqlite";
import { generateSecret, generateURI, verify } from "otplib";
import type { Session } from "psession";
import type { SignInAttempts } from "psession/attempts";
import { passed } from "./attempts.ts";
import { Refusal } from "./refusal.ts";
import type { User } from "./users.ts";

const CREATE = `
  CREATE TABLE IF NOT EXISTS demo_otp (
    user_id INTEGER PRIMARY KEY REFERENCES demo_users (id) ON DELETE CASCADE,
    secret TEXT NOT NULL,
    last_step INTEGER NOT NULL
  ) STRICT`;

const ISSUER = "psession demo";
/** A code counts for one step of 30 seconds before and after its own: phones are not on time, and typing takes a while. */
const TOLERANCE_SECONDS = 30;

/** Codes of an authenticator app (TOTP, RFC 6238) as a second factor. A real app encrypts the secrets that it keeps. */
export class Otp {
  readonly #db: DatabaseSync;
  readonly #attempts: SignInAttempts;
  /** The authenticator's clock: the lab does not move it. */
  readonly #time: () => number;

  constructor(db: DatabaseSync, attempts: SignInAttempts, time: () => number) {
    this.#db = db;
    this.#attempts = attempts;
    this.#time = time;
    db.exec(CREATE);
  }

  isOn(userId: number): boolean {
    return this.#secretOf(userId) !== undefined;
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

  /**
   * Throws a Refusal unless the code is right, was not used before, and not too many wrong ones came before. Counted for
   * the user whose sign-in has begun in this session, or who is signed in.
   */
  async check(session: Session, userId: number, code: string): Promise<void> {
    const secret = this.#secretOf(userId);
    if (secret === undefined) throw new Refusal(409, "no_codes", "You have not switched codes on.");
    const attempt = await this.#attempts.tryCode(session, async () => {
      const step = await this.#stepOf(secret, code);
      return step !== undefined && this.#use(userId, step);
    });
    passed(attempt, "codes", wrongCode());
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

  #secretOf(userId: number): string | undefined {
    const row = this.#db.prepare("SELECT secret FROM demo_otp WHERE user_id = ?").get(userId);
    return row === undefined ? undefined : String(row["secret"]);
  }
}

const wrongCode = (): Refusal =>
  new Refusal(401, "wrong_code", "That code is wrong, or was used already. Please wait for the next one.");
