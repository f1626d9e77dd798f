import { error, fail, redirect } from "@sveltejs/kit";
import { fresh } from "../../../lib/server/guards.ts";
import { userById } from "../../../lib/server/users.ts";
import type { Actions, PageServerLoad } from "./$types";

/** Whether somebody may act as somebody else is yours to decide. */
const support: typeof fresh = async (event) => {
  const session = await fresh(event);
  return userById(session.userId)?.isSupport ? session : error(403, "Only for support.");
};

export const load: PageServerLoad = async (event) => {
  await support(event);
};

export const actions: Actions = {
  default: async (event) => {
    const session = await support(event);
    const reason = String((await event.request.formData()).get("reason") ?? "");
    if (reason === "") return fail(400, { message: "Please give a reason." });
    await session.impersonate(1, { reason, for: "30m" });
    redirect(303, "/account");
  },
};
