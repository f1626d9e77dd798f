export const GET = async ({ locals }) => {
  const { userId = null, data } = await locals.getSession();
  return Response.json({ userId, data });
};
