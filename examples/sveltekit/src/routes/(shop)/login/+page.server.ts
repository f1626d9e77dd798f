import { fail, redirect } from "@sveltejs/kit";
import { nextOf } from "../../../lib/server/guards.ts";
import { userBy } from "../../../lib/server/users.ts";
import type { Actions } from "./$types";

export const actions: Actions = {
  default: async ({ locals, request, url }) => {
    const form = await request.formData();
    const user = userBy(form.get("email"), form.get("password"));
    if (user === undefined) return fail(401, { message: "That was not right." });
    const session = await locals.getSession();
    const remember = form.get("remember") === "on";
    if (user.hasCode) {
      await session.begin(user.id, { method: "password", remember });
      redirect(303, `/code?next=${encodeURIComponent(nextOf(url))}`);
    }
    await session.login(user.id, { method: "password", remember });
    session.flash.set("notice", `Welcome, ${user.name}.`);
    redirect(303, nextOf(url));
  },
};
