import { fail, redirect } from "@sveltejs/kit";
import { halfSignedIn, nextOf } from "../../../lib/server/guards.ts";
import { isCode } from "../../../lib/server/users.ts";
import type { Actions, PageServerLoad } from "./$types";

export const load: PageServerLoad = async (event) => {
  await halfSignedIn(event);
};

export const actions: Actions = {
  default: async (event) => {
    const session = await halfSignedIn(event);
    // Count the tries of session.pending.userId here: docs/account/second-factor.md.
    if (!isCode((await event.request.formData()).get("code")))
      return fail(403, { message: "That was not the code." });
    await session.complete({ method: "otp" });
    redirect(303, nextOf(event.url));
  },
};
