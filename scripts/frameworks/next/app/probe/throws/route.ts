import { route } from "../../../lib/sessions";

export const POST = route((_request, session) => {
  session.push("cart", "thrown");
  throw new Response(null, { status: 418 });
});
