import { error, fail, redirect } from "@sveltejs/kit";

const change = async ({ locals }, count) => (await locals.getSession()).set("count", count);

export const actions = {
  fails: async (event) => {
    await change(event, 4);
    return fail(400, { message: "no" });
  },
  errors: async (event) => {
    await change(event, 5);
    error(418, "no");
  },
  redirects: async (event) => {
    await change(event, 6);
    redirect(303, "/read");
  },
};
