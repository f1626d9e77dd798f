import { command, form, getRequestEvent, query } from "$app/server";
import { member } from "../../../lib/server/guards.ts";

export const cart = query(async () => {
  const session = await getRequestEvent().locals.getSession();
  return session.data.cart ?? [];
});

// Only a command or a form may change the session in a way that sets cookies; a guard comes first, as in an action.
export const add = command("unchecked", async (item: string) => {
  const session = await member(getRequestEvent());
  session.push("cart", item);
  await cart().refresh();
});

export const empty = form(async () => {
  const session = await member(getRequestEvent());
  session.remove("cart");
});
