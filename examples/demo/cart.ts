import type { SessionData } from "psession";

export const MOST_ITEMS = 50;

/**
 * For the `carry` of a sign-in: what this visitor gathered before, behind what the user left in the cart on another
 * device. What is in both is there once.
 */
export function mergeCarts(
  present: Partial<SessionData>,
  previous: Partial<SessionData> | undefined,
): Partial<SessionData> {
  const { cart = [] } = present;
  const left = (previous?.cart ?? []).filter((item) => !cart.includes(item));
  return { ...present, cart: [...left, ...cart].slice(0, MOST_ITEMS) };
}
