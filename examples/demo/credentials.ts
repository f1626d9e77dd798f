import type { Session } from "psession";
import type { SignInAttempts } from "psession/attempts";
import { passed } from "./attempts.ts";
import { verifyPassword } from "./passwords.ts";
import { Refusal } from "./refusal.ts";
import type { User, Users } from "./users.ts";

/** Checks passwords, more and more slowly after wrong ones. */
export class Credentials {
  readonly #users: Users;
  readonly #attempts: SignInAttempts;

  constructor(users: Users, attempts: SignInAttempts) {
    this.#users = users;
    this.#attempts = attempts;
  }

  /** The user with this email and password; otherwise throws a Refusal that does not say which was wrong. */
  async check(session: Session, email: string, password: string): Promise<User> {
    const user = this.#users.findByEmail(email);
    const attempt = await this.#attempts.try(session, { account: email, userId: user?.id }, async () => {
      const isRight = await verifyPassword(password, user?.passwordHash);
      return isRight ? user : undefined;
    });
    return passed(attempt, "passwords", wrong());
  }
}

function wrong(): Refusal {
  return new Refusal(401, "wrong_credentials", "That email and password do not belong together.");
}
