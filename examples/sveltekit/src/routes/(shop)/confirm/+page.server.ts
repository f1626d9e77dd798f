import { fail, redirect } from "@sveltejs/kit";
import { inPerson, member, nextOf } from "../../../lib/server/guards.ts";
import { isPassword } from "../../../lib/server/users.ts";
import type { Actions, PageServerLoad } from "./$types";

export const load: PageServerLoad = async (event) => {
  await member(event);
};

export const actions: Actions = {
  default: async (event) => {
    await inPerson(event);
    const session = await member(event);
    if (!isPassword((await event.request.formData()).get("password")))
      return fail(403, { message: "That was not right." });
    await session.reauthenticate();
    redirect(303, nextOf(event.url));
  },
};
