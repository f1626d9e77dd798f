import type { UserId } from "../stores/store.ts";

/** One in this many sign-ins of a user counts the user's devices. */
export const CHECKED_EVERY = 64;
/** How many users are counted; of more, those who sign in rarely are forgotten. */
const MOST_USERS = 10_000;

/**
 * Counts the sign-ins of each user in this process, so that a limit which only keeps users from filling the store
 * costs nothing at nearly all of them.
 */
export class SignIns {
  readonly #counts = new Map<UserId, number>();

  /** This sign-in is to look. */
  isDue(userId: UserId): boolean {
    return (this.#counts.get(userId) ?? 0) >= CHECKED_EVERY - 1;
  }

  /** `isChecked`: it has looked. */
  note(userId: UserId, isChecked: boolean): void {
    if (isChecked) {
      this.#counts.delete(userId);
      return;
    }
    this.#counts.set(userId, (this.#counts.get(userId) ?? 0) + 1);
    if (this.#counts.size > MOST_USERS) this.#forget();
  }

  /** A user who signs in often stays, however many others sign in once. */
  #forget(): void {
    for (const [userId, count] of this.#counts) {
      if (count > 1) this.#counts.set(userId, count >> 1);
      else this.#counts.delete(userId);
    }
  }
}
