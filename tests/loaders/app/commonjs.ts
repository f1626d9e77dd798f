// @ts-nocheck: what is looked at here is how it is loaded.
import * as core from "psession";
import session from "psession/express-session";
import fastifyPlugin from "psession/fastify";
import * as node from "psession/node";
import { run } from "./app.cjs";

run({ core, node, session, fastifyPlugin }).then(console.log);
