import { route } from "../../../lib/sessions";

export const POST = route((_request, session) => {
  session.flash.set("notice", "saved once");
  return new Response(null, { status: 204 });
});
