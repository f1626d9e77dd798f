import { members, route } from "../../../lib/sessions";

export const GET = route(async () => Response.json((await members()).userId));
