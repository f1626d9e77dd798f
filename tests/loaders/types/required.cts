/** Where `import` is `require`, and says so. */
import express = require("express");
import session = require("psession/express-session");
import core = require("psession");

declare module "psession/express-session" {
  interface SessionData {
    views?: number;
  }
}

const psession: core.Psession = core.createPsession({
  store: core.memoryStore(),
  keys: [process.env["KEY"]],
});
const options: session.SessionOptions = { store: psession, secret: "s" };
const store: session.Store = new session.MemoryStore();
const cookie: session.Cookie = new session.Cookie({ maxAge: 1000 });

class OwnStore extends session.MemoryStore {}

const app = express();
app.use(session(options), session.default({ store: new OwnStore() }));
app.get("/", async (request, response) => {
  const views: number | undefined = request.session.views;
  await request.session.login(7);
  const { session: own } = session.psessionOf(request);
  request.sessionStore.all?.((error: unknown, sessions?: object | null) => response.json([error, sessions]));
  response.json([views, own.userId, store, cookie]);
});
