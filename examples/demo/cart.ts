import type { SessionData } from "psession";

export const MOST_ITEMS = 50;

/**
 * For the `carry` of a sign-in: appends the items of this visitor to those that the user left in the cart on another
 * device. An item in both carts is kept once.
 */
export function mergeCarts(
  present: Partial<SessionData>,
  previous: Partial<SessionData> | undefined,
): Partial<SessionData> {
  const { cart = [] } = present;
  const left = (previous?.cart ?? []).filter((item) => !cart.includes(item));
  return { ...present, cart: [...left, ...cart].slice(0, MOST_ITEMS) };
}
