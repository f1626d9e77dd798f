/** A process of its own that holds event streams open, on the PostgreSQL at DATABASE_URL. */
import { createServer } from "node:http";
import pg from "pg";
import { createPsession } from "../../src/index.ts";
import { withSession } from "../../src/integrations/node/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { KEY, overHttp } from "../support/app.ts";

const pool = new pg.Pool({ connectionString: process.env["DATABASE_URL"], max: 5 });
const psession = createPsession({
  store: postgresStore({ pool }),
  keys: [KEY],
  // The next reading is far away: what ends a stream is a message.
  onEnd: { poll: "1h" },
  ...overHttp,
});

createServer(
  withSession(psession, async (request, response, session) => {
    switch (request.url) {
      case "/login":
        await session.login("ada");
        return void response.end();
      case "/ready":
        return void response.end(String(psession.core.endings.isListening));
      case "/events": {
        response.writeHead(200, { "content-type": "text/event-stream" }).write("data: hello\n\n");
        const stop = session.onEnd(() => response.end("event: signed-out\ndata:\n\n"));
        return void response.on("close", stop);
      }
      default:
        return void response.end();
    }
  }),
).listen(Number(process.env["PORT"]), "127.0.0.1");
