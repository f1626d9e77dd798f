/** A bundle of files of both kinds has one psession as well. */
import assert from "node:assert/strict";
import * as core from "psession";
import session from "psession/express-session";
import fastifyPlugin from "psession/fastify";
import * as node from "psession/node";
import { run } from "./app.cjs";
import required from "./half.cjs";

assert.equal(required.session, session);
assert.equal(required.PsessionError, core.PsessionError);
assert.equal(required.createPsession, core.createPsession);
run({ core, node, session, fastifyPlugin }).then(console.log);
