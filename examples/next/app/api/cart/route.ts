import { redirect } from "next/navigation";
import { route } from "../../../lib/sessions";

export const GET = route((_request, session) => Response.json(session.data.cart ?? []));

export const POST = route(async (request, session) => {
  const { item } = (await request.json()) as { item?: unknown };
  if (typeof item !== "string" || item === "") return new Response(null, { status: 400 });
  session.push("cart", item);
  redirect("/api/cart");
});
