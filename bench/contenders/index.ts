import { betterAuths } from "./better-auth.ts";
import type { Contender } from "./contender.ts";
import { expressSessions } from "./express-session.ts";
import { fastifySessions } from "./fastify-session.ts";
import { floors } from "./floor.ts";
import { honoSessions } from "./hono-session.ts";
import { ironSessions } from "./iron-session.ts";
import { koaSessions } from "./koa-session.ts";
import { psessions } from "./psession.ts";

export { type Contender, idOf, type Site } from "./contender.ts";

/** All contenders, in the order in which reports name them. */
export const CONTENDERS: readonly Contender[] = [
  ...floors,
  ...psessions,
  ...expressSessions,
  ...fastifySessions,
  ...koaSessions,
  ...honoSessions,
  ...ironSessions,
  ...betterAuths,
];
