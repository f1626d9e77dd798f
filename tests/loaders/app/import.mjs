import * as core from "psession";
import session from "psession/express-session";
import fastifyPlugin from "psession/fastify";
import * as node from "psession/node";
import { run } from "./app.cjs";

console.log(await run({ core, node, session, fastifyPlugin }));
