import { redirect } from "@sveltejs/kit";

export const load = async ({ locals }) => {
  (await locals.getSession()).set("count", 2);
  redirect(303, "/read");
};
