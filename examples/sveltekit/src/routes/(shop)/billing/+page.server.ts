import { fresh, inPerson, member } from "../../../lib/server/guards.ts";
import type { PageServerLoad } from "./$types";

export const load: PageServerLoad = async (event) => {
  await inPerson(event);
  // Visitors who are not signed in come back here from the sign-in, which is fresh enough.
  await member(event);
  await fresh(event);
};
