import { PsessionError } from "../errors.ts";
import type { LoginOptions } from "../request/intents.ts";
import type { Session } from "../session.ts";
import type { UserId } from "../stores/store.ts";

/** The user that the application or Passport put into the session's data. */
export type IdentityOf<Data> = (data: Partial<Data>) => UserId | undefined;

/**
 * For applications that keep their user in the data: a user who appears there is signed in, a user who disappears
 * is signed out. So every sign-in exchanges the secret, even if the application does not think of it.
 */
export class FollowedIdentity<Data extends object> {
  readonly #of: IdentityOf<Data>;
  #before: UserId | undefined;
  #isSeen = false;

  constructor(of: IdentityOf<Data>) {
    this.#of = of;
  }

  /** Must be called with the data before the handler gets it. */
  see(session: Session<Data>, data: Partial<Data>): void {
    if (this.#isSeen) return;
    this.#isSeen = true;
    this.#before = this.#of(data);
    if (this.#before === undefined || isSame(this.#before, session.userId)) return;
    // The data names a user without a sign-in: an attacker who planted the secret may have stored it, so it is dropped.
    this.#before = undefined;
    for (const key of Object.keys(data)) delete data[key as keyof Data];
  }

  /** The data named a user, and `kept` does not. */
  isDroppedBy(kept: Partial<Data>): boolean {
    return this.#before !== undefined && this.#of(kept) === undefined;
  }

  /** Signs in the user who appeared since, or out the one who disappeared; undefined if the user is the same. */
  follow(session: Session<Data>): Promise<void> | undefined {
    if (!this.#isSeen) return undefined;
    const before = this.#before;
    const after = this.#of(session.data);
    if (isSame(before, after)) return undefined;
    this.#before = after;
    // The handler that put the user there has decided what to keep of the data.
    if (after !== undefined) {
      return isSame(after, session.userId) ? undefined : signIn(session, after);
    }
    return isSame(before, session.userId) ? session.logout() : undefined;
  }
}

/**
 * For applications that never see the result of `login`: a user at the device limit is an error.
 */
export async function signIn<Data extends object>(
  session: Session<Data>,
  userId: UserId,
  options: LoginOptions<Data> = { carry: "all" },
): Promise<void> {
  if ((await session.login(userId, options)) === "signed_in") return;
  throw new PsessionError("too_many_devices", "This user has reached the device limit.", {
    status: 403,
  });
}

/** Stores may give a number back that went in as text, and the other way round. */
const isSame = (one: UserId | undefined, other: UserId | undefined): boolean =>
  one === undefined || other === undefined ? one === other : String(one) === String(other);
