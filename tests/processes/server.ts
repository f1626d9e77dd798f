/** A server process of its own, on a file that it shares with others: `path now`. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { createPsession } from "../../src/index.ts";
import { withSession } from "../../src/integrations/node/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { KEY, overHttp, type TestData, type TestSession } from "../support/app.ts";
import { listening } from "../support/http.ts";
import { Faults, mortalDatabase, mortalStore } from "./faults.ts";
import type { Numbered, Order, Report, VisitAnswer } from "./messages.ts";

const [path = "", start = ""] = process.argv.slice(2);
/** Time passes only when the test says so. */
let now = Number(start);
const faults = new Faults();

const psession = createPsession<TestData>({
  store: mortalStore(openStore(), faults),
  keys: [KEY],
  clock: { now: () => now },
  prune: false,
  ...overHttp,
});
psession.on("*", ({ type }) => report({ kind: "event", type }));
process.on("message", obey);
// A test that was interrupted leaves no servers behind, not even those that had not begun to listen to it.
process.once("disconnect", () => process.exit());
if (!process.connected) process.exit();

const server = createServer(withSession(psession, handle));
await listening(server);
report({ kind: "ready", port: (server.address() as AddressInfo).port });

/** With the pragmas that the store sets on a file that it opens itself. */
function openStore() {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  const store = sqliteStore({ database: mortalDatabase(database, faults) });
  database.exec("PRAGMA busy_timeout = 0");
  return store;
}

function report(message: Report): void {
  // The test may be gone, and then so are we.
  process.send?.(message, () => {});
}

function obey(order: Numbered<Order>): void {
  if (order.kind === "clock") now = order.now;
  else if (order.kind === "arm") faults.arm(order.point, order.after);
  else faults.disarm();
  report({ kind: "done", id: order.id });
}

async function handle(request: IncomingMessage, response: ServerResponse, session: TestSession) {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  if (pathname === "/login") await login(session, Number(searchParams.get("user")));
  else if (pathname !== "/visit") return void response.writeHead(404).end();
  const answer = JSON.stringify(visit(session, searchParams.get("write")));
  response.setHeader("Content-Type", "application/json");
  response.write(answer.slice(0, 1), () => {
    faults.reach("firstBytes");
    response.end(answer.slice(1));
  });
}

async function login(session: TestSession, user: number): Promise<void> {
  session.set("name", `user ${user}`);
  await session.login(user, { remember: true });
}

function visit(session: TestSession, write: string | null): VisitAnswer {
  const keys = Object.keys(session.data);
  if (write !== null) session.set(write, true);
  const { userId = null, level, outcome } = session;
  return { userId: userId === null ? null : Number(userId), level, outcome, keys };
}
