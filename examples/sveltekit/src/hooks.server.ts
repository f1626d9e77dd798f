import type { HandleServerError } from "@sveltejs/kit/hooks";
import { sequence } from "@sveltejs/kit/hooks";
import { devices, errorAnswer, originCheck, sessions } from "psession/sveltekit";
import { psession } from "./lib/server/psession.ts";
import { userById } from "./lib/server/users.ts";

export const handle = sequence(
  originCheck(),
  sessions(psession),
  devices({
    path: "/account/devices",
    // What pages may know of the user: every script in them can read it.
    describe: ({ userId }) => ({ name: userById(userId)?.name }),
  }),
);

/** A database that is down is 503, not 500. */
export const handleError: HandleServerError = ({ error, event, kind }) => {
  const answer = errorAnswer({ error, event });
  if (answer === undefined && kind === "unknown") console.error(error);
  return answer;
};
