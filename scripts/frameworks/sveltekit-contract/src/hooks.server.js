import { error, redirect } from "@sveltejs/kit";
import { createPsession } from "psession";
import { sessions } from "psession/sveltekit";
import { building } from "$app/env";

const neverOpened = createPsession(() => {
  throw new Error("a build asked for options");
});

// The process that loads this build says what stands behind which port.
const setupOf = ({ platform }) =>
  globalThis[Symbol.for("psession.contract")].get(platform.req.socket.localPort);

export const handle = (input) => {
  if (building) return sessions(neverOpened)(input);
  return setupOf(input.event).handle(input, { error, redirect });
};

export const handleError = ({ kind, error, event }) => {
  if (building) return console.error(error.message);
  // As psession's own refusals are written, which the contract reads.
  if (kind === "app") return { error };
  return setupOf(event).errorAnswer({ error, event });
};
