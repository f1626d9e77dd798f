import { member } from "../../../lib/server/guards.ts";
import { userById } from "../../../lib/server/users.ts";
import type { PageServerLoad } from "./$types";

export const load: PageServerLoad = async (event) => {
  const session = await member(event);
  return { name: userById(session.userId)?.name };
};
