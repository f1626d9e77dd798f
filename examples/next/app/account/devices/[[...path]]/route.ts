import { devices } from "psession/fetch";
import { route } from "../../../../lib/sessions";
import { userOf } from "../../../../lib/users";

const answer = devices({
  path: "/account/devices",
  trustProxy: true,
  // What pages may know of the user: every script in them can read it.
  describe: ({ userId }) => ({ name: userOf(userId)?.name }),
});

/** The JSON endpoints of devices, which `Who` asks for the session. */
const handler = route(
  async (request, session) =>
    (await answer(request, async () => session)) ?? new Response(null, { status: 404 }),
);

export { handler as DELETE, handler as GET, handler as PATCH, handler as POST };
