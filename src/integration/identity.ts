import { PsessionError } from "../errors.ts";
import type { LoginOptions, Session } from "../session.ts";
import type { UserId } from "../stores/store.ts";

/** Who is signed in, by what the application or Passport put into the session's data. */
export type IdentityOf<Data> = (data: Partial<Data>) => UserId | undefined;

/**
 * Follows applications that keep their user in the data: a user who appears there is signed in, one who goes
 * is signed out. So the secret is exchanged at every sign-in, whether the application thinks of it or not.
 */
export class FollowedIdentity<Data extends object> {
  readonly #of: IdentityOf<Data>;
  #before: UserId | undefined;
  #isSeen = false;

  constructor(of: IdentityOf<Data>) {
    this.#of = of;
  }

  /** To be told of the data before the handler gets it. */
  see(session: Session<Data>, data: Partial<Data>): void {
    if (this.#isSeen) return;
    this.#isSeen = true;
    this.#before = this.#of(data);
    if (this.#before === undefined || isSame(this.#before, session.userId)) return;
    // Data that names a user whom nobody signed in: stored under a secret that others may know, so it is worth nothing.
    this.#before = undefined;
    for (const key of Object.keys(data)) delete data[key as keyof Data];
  }

  /** The data named a user, and this would not. */
  isDroppedBy(kept: Partial<Data>): boolean {
    return this.#before !== undefined && this.#of(kept) === undefined;
  }

  /** Signs in or out who appeared or went since. Undefined where nothing did. */
  follow(session: Session<Data>): Promise<void> | undefined {
    if (!this.#isSeen) return undefined;
    const before = this.#before;
    const after = this.#of(session.data);
    if (isSame(before, after)) return undefined;
    this.#before = after;
    // What is kept of the data was decided by whoever put the user there.
    if (after !== undefined) {
      return isSame(after, session.userId) ? undefined : signIn(session, after);
    }
    return isSame(before, session.userId) ? session.logout() : undefined;
  }
}

/**
 * For applications that cannot look at what `login` answers: where the user has too many devices, that is a fault.
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
