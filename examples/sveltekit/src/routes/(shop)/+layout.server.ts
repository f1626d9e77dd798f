import { userById } from "../../lib/server/users.ts";
import type { LayoutServerLoad } from "./$types";

export const load: LayoutServerLoad = async ({ locals }) => {
  const session = await locals.getSession();
  return {
    user: userById(session.userId)?.email,
    level: session.level,
    actor: userById(session.actor?.userId)?.email,
    notice: await session.flash.get("notice"),
  };
};
