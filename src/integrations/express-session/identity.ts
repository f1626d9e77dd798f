import type { UserId } from "../../stores/store.ts";

/** The user whom session data names as signed in. */
export type UserOf = (data: Record<string, unknown>) => UserId | null | undefined;

/** The first of `passport.user`, `userId` and `user` that is an id, or an object with one under `id`. */
export const usualUser: UserOf = ({ passport, userId, user }) =>
  idOf((passport as { user?: unknown } | null | undefined)?.user) ?? idOf(userId) ?? idOf(user);

function idOf(given: unknown): UserId | undefined {
  // As it will be stored: ids of MongoDB are objects until then.
  const { toJSON } = (given ?? {}) as { toJSON?: unknown };
  const value: unknown = typeof toJSON === "function" ? Reflect.apply(toJSON, given, []) : given;
  const id = typeof value === "object" && value !== null ? (value as { id?: unknown }).id : value;
  return (typeof id === "string" && id !== "") || typeof id === "number" ? id : undefined;
}
