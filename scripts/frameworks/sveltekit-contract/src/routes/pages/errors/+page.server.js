import { error } from "@sveltejs/kit";

export const load = async ({ locals }) => {
  (await locals.getSession()).set("count", 3);
  error(418, "no");
};
