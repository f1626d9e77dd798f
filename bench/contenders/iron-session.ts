import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { getIronSession } from "iron-session";
import { nodeRoutes, sendJson } from "../frameworks.ts";
import { cartOf, counted, DATA, KEY, nextUser, type ShopData } from "../workload.ts";
import type { Contender } from "./contender.ts";

const sessionOf = (request: IncomingMessage, response: ServerResponse) =>
  getIronSession<ShopData & { userId?: string }>(request, response, { password: KEY, cookieName: "shop" });

/** Everything is in the cookie: it needs no query, and cannot end a session. */
export const ironSessions: readonly Contender[] = [
  {
    library: "iron-session",
    kind: "peer",
    framework: "node",
    store: "cookie",
    tables: "iron-session",
    scenarios: ["no-cookie", "untouched", "read", "write", "login"],
    start: async () => ({
      server: createServer(
        nodeRoutes({
          async cart(request, response) {
            const session = await sessionOf(request, response);
            sendJson(response, cartOf(session.userId, session));
          },
          async count(request, response) {
            const session = await sessionOf(request, response);
            session.count = (session.count ?? 0) + 1;
            await session.save();
            sendJson(response, counted(session.userId, session.count));
          },
          async login(request, response) {
            const session = await sessionOf(request, response);
            Object.assign(session, DATA);
            session.userId = nextUser();
            await session.save();
            sendJson(response, cartOf(session.userId, session));
          },
        }),
      ),
    }),
  },
];
