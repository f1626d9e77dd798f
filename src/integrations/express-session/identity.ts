import type { UserId } from "../../stores/store.ts";

/** Whom session data says to be signed in; undefined where nobody is. */
export type UserOf = (data: Record<string, unknown>) => UserId | null | undefined;

/**
 * Where applications keep it: `passport.user`, `userId` or `user`, as an id or as an object that has one under `id`.
 * What is found there first counts.
 */
export const usualUser: UserOf = ({ passport, userId, user }) =>
  idOf((passport as { user?: unknown } | null | undefined)?.user) ?? idOf(userId) ?? idOf(user);

function idOf(given: unknown): UserId | undefined {
  // As it will be stored: ids of MongoDB are objects until then.
  const { toJSON } = (given ?? {}) as { toJSON?: unknown };
  const value: unknown = typeof toJSON === "function" ? Reflect.apply(toJSON, given, []) : given;
  const id = typeof value === "object" && value !== null ? (value as { id?: unknown }).id : value;
  return (typeof id === "string" && id !== "") || typeof id === "number" ? id : undefined;
}
