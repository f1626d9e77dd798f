import { Agent, get } from "node:http";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { createPsession } from "../../src/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { cookieHeader, KEY, overHttp } from "../support/app.ts";
import { CROWD } from "../support/crowd.ts";
import { HttpClient } from "../support/http.ts";
import { freshPostgresDatabase } from "../support/servers/fresh.ts";
import { describeWith, POSTGRES } from "../support/servers/reach.ts";
import { startApp } from "../support/shop.ts";

vi.setConfig({ testTimeout: 120_000 });

const SESSIONS = 100;
const STREAMS_EACH = 10;

describeWith([POSTGRES], "open connections in several processes", () => {
  test("two thousand event streams in two processes end by one revokeUser in a third", CROWD, async () => {
    const { url } = await freshPostgresDatabase();
    const pool = new pg.Pool({ connectionString: url, max: 2 });
    const psession = createPsession({ store: postgresStore({ pool }), keys: [KEY], ...overHttp });
    onTestFinished(async () => {
      await psession.close();
      await pool.end();
    });
    await psession.devices("ada");
    const env = { DATABASE_URL: url };
    const servers = [await start(env), await start(env)] as const;
    const cookies: string[] = [];
    for (let each = 0; each < SESSIONS; each++) {
      const browser = new HttpClient(servers[each % 2 === 0 ? 0 : 1].base);
      await browser.get("/login");
      cookies.push(cookieHeader(browser.jar) ?? "");
    }
    const agent = new Agent({ keepAlive: true, maxSockets: 2000 });
    onTestFinished(() => agent.destroy());
    const streams = await Promise.all(
      servers.flatMap(({ base }) =>
        cookies.flatMap((cookie) =>
          Array.from({ length: STREAMS_EACH }, () => stream(`${base}/events`, cookie, agent)),
        ),
      ),
    );
    expect(streams).toHaveLength(2000);
    for (const server of servers)
      await vi.waitFor(async () => expect((await server.get("/ready")).text).toBe("true"), {
        timeout: 20_000,
      });
    const began = performance.now();
    expect(await psession.revokeUser("ada")).toBe(SESSIONS);
    const texts = await Promise.all(streams.map(({ ended }) => ended));
    if (process.env["PSESSION_FIGURES"] !== undefined)
      process.stderr.write(`2000 streams ended in ${Math.round(performance.now() - began)} ms\n`);
    expect(new Set(texts)).toEqual(new Set(["data: hello\n\nevent: signed-out\ndata:\n\n"]));
  });
});

const start = (env: Record<string, string>) =>
  startApp(`${import.meta.dirname}/stream-server.ts`, import.meta.dirname, [process.execPath], { env });

/** A stream that has begun; `ended` resolves to all of it. */
function stream(url: string, cookie: string, agent: Agent): Promise<{ readonly ended: Promise<string> }> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { cookie }, agent }, (response) => {
      let text = "";
      const ended = new Promise<string>((done) => response.once("close", () => done(text)));
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        resolve({ ended });
      });
    }).once("error", reject);
  });
}
