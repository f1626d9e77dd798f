import { guards, route } from "../../../lib/sessions";

const members = guards.requireLogin();

export const GET = route(async () => Response.json((await members()).userId));
