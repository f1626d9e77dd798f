import { fail, redirect } from "@sveltejs/kit";
import { fresh, inPerson, member } from "../../../lib/server/guards.ts";
import type { Actions, PageServerLoad } from "./$types";

export const load: PageServerLoad = async (event) => {
  const session = await member(event);
  const devices = await session.devices();
  return {
    devices: devices.map(({ handle, label, current, isRemembered }) => ({
      handle,
      label,
      current,
      isRemembered,
    })),
  };
};

export const actions: Actions = {
  default: async (event) => {
    await inPerson(event);
    const session = await fresh(event);
    const handle = (await event.request.formData()).get("handle");
    if (!(await session.revoke(String(handle)))) return fail(404, { message: "There is no such device." });
    redirect(303, "/devices");
  },
};
