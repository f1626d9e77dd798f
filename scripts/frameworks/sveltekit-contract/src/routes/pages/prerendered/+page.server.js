// Prerendered only where the build is to fail.
export const prerender = process.env.PRERENDER_SESSION === "1";

export const load = async ({ locals }) => ({ isSignedIn: (await locals.getSession()).isSignedIn });
