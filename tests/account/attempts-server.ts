/** A process of its own that counts failed sign-ins, in the place that STORE and DATABASE_URL name. */
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { type SignInAttemptsOptions, signInAttempts } from "../../src/attempts/index.ts";
import { createPsession, memoryStore } from "../../src/index.ts";
import { withSession } from "../../src/integrations/node/index.ts";
import { KEY, overHttp } from "../support/app.ts";

const { DATABASE_URL: url = "", STORE: store = "", NAME: name } = process.env;

async function place(): Promise<SignInAttemptsOptions> {
  switch (store) {
    case "postgres":
      return { postgres: new (await import("pg")).default.Pool({ connectionString: url }) };
    case "mysql":
      return { mysql: (await import("mysql2/promise")).createPool(url) };
    case "redis":
      return { redis: new (await import("ioredis")).Redis(url) };
    default:
      return { sqlite: new DatabaseSync(url) };
  }
}

const psession = createPsession({
  store: memoryStore(),
  keys: [KEY],
  devices: { detectNew: true },
  ...overHttp,
});
const attempts = signInAttempts(psession, { ...(await place()), name, timeout: "30s" });
const faults: unknown[] = [];
psession.on("storeUnavailable", ({ error }) => void faults.push(error));

createServer(
  withSession(psession, async (request, response, session) => {
    if (request.url === "/faults") return void response.end(JSON.stringify(faults.map(String)));
    if (request.method !== "POST") return void response.end();
    const who = { account: "ada@example.com", userId: 1 };
    const { outcome, retryAfter } = await attempts.try(session, who, async () => request.url === "/right");
    if (outcome === "passed") await session.login(1);
    response.statusCode = { passed: 200, failed: 401, throttled: 429 }[outcome];
    if (retryAfter !== undefined) response.setHeader("Retry-After", retryAfter);
    response.end();
  }),
).listen(Number(process.env["PORT"]), "127.0.0.1");
