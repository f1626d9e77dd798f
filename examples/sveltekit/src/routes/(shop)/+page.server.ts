import type { Actions, PageServerLoad } from "./$types";

export const load: PageServerLoad = async ({ locals }) => {
  const session = await locals.getSession();
  return { cart: session.data.cart ?? [] };
};

export const actions: Actions = {
  add: async ({ locals, request }) => {
    const session = await locals.getSession();
    session.push("cart", String((await request.formData()).get("item")));
  },
};
