/** Every path and method that has no page: the site of the contract. */
export const fallback = ({ locals }) => locals.answer();
export const GET = fallback;
export const POST = fallback;
