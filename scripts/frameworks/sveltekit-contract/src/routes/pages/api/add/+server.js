export const GET = async ({ locals, url }) => {
  (await locals.getSession()).push("items", url.searchParams.get("item"));
  return new Response(null, { status: 204 });
};
