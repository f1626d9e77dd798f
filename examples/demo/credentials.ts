import type { Clock } from "psession";
import { type Attempts, afterFailure, locked, NO_ATTEMPTS } from "./attempts.ts";
import { BoundedMap } from "./bounded-map.ts";
import { verifyPassword } from "./passwords.ts";
import { Refusal } from "./refusal.ts";
import type { User, Users } from "./users.ts";

const MOST_UNKNOWN_EMAILS = 10_000;

/** Checks passwords, more and more slowly after wrong ones. */
export class Credentials {
  readonly #users: Users;
  readonly #clock: Clock;
  /** Unknown emails are locked just like known ones, or a lock would show that an account exists. */
  readonly #unknown = new BoundedMap<string, Attempts>(MOST_UNKNOWN_EMAILS);

  constructor(users: Users, clock: Clock) {
    this.#users = users;
    this.#clock = clock;
  }

  /** The user with this email and password; otherwise throws a Refusal that does not say which was wrong. */
  async check(email: string, password: string): Promise<User> {
    const user = this.#users.findByEmail(email);
    const attempts = user?.attempts ?? this.#unknown.get(email) ?? NO_ATTEMPTS;
    const now = this.#clock.now();
    if (attempts.lockedUntil > now) throw locked("passwords", attempts.lockedUntil - now);
    // Counted before it is checked, so that guesses sent all at once are counted too.
    this.#record(user, email, afterFailure(attempts, now));
    const isRight = await verifyPassword(password, user?.passwordHash);
    if (user === undefined || !isRight) throw wrong();
    this.#record(user, email, NO_ATTEMPTS);
    return user;
  }

  #record(user: User | undefined, email: string, attempts: Attempts): void {
    if (user === undefined) this.#unknown.set(email, attempts);
    else this.#users.setAttempts(user.id, attempts);
  }
}

function wrong(): Refusal {
  return new Refusal(401, "wrong_credentials", "That email and password do not belong together.");
}
