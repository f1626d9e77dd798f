export const POST = async ({ locals }) => {
  await (await locals.getSession()).login("ada", { remember: true });
  return new Response(null, { status: 204 });
};
