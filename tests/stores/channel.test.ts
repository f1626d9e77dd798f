/** Sessions that end in one process, and connections that another process holds open for them. */

import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { PsessionOptions, Store } from "../../src/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { type RedisClient, redisStore } from "../../src/stores/redis/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { PGBOUNCER_BINARY } from "../support/servers/binaries.ts";
import { freshPostgresDatabase, onPostgres } from "../support/servers/fresh.ts";
import { startPgbouncer } from "../support/servers/pgbouncer.ts";
import { describeWith, POSTGRES } from "../support/servers/reach.ts";
import { isRedisMissing, redisUrl } from "../support/servers/redis.ts";
import { type Backend, type Place, sqlBackends } from "./fixtures.ts";
import {
  type Connected,
  deleteKeys,
  newPrefix,
  onServer,
  drivers as redisDrivers,
} from "./redis/fixtures.ts";

vi.setConfig({ testTimeout: 30_000 });

type OnEnd = NonNullable<PsessionOptions["onEnd"]>;

/** Two processes on one store: a browser signs in at the first, which holds a connection open for it. */
async function twoProcesses(here: Store, there: Store, onEnd: OnEnd = {}) {
  const [app, other] = [testApp({ store: here, onEnd }), testApp({ store: there, onEnd })];
  onTestFinished(async () => {
    await Promise.all([app.psession.core.endings.close(), other.psession.core.endings.close()]);
  });
  const browser = new TestBrowser(app);
  await browser.visit((session) => session.login("ada"));
  const visit = await browser.open();
  const ended = vi.fn();
  visit.session.onEnd(ended);
  return { app, other, browser, visit, ended };
}

/** The message came: the next reading is an hour away. */
const FAR: OnEnd = { poll: "1h" };

const heard = (listener: ReturnType<typeof vi.fn>, timeout = 5000) =>
  vi.waitFor(() => expect(listener).toHaveBeenCalledOnce(), { timeout, interval: 5 });

const listens = (app: ReturnType<typeof testApp>) =>
  vi.waitFor(() => expect(app.psession.core.endings.isListening).toBe(true), { timeout: 5000, interval: 5 });

const WITH_CHANNEL = new Set(["pg", "pg, one client", "postgres.js"]);

for (const backend of sqlBackends) {
  describeWith(backend.needs, `ends in another process: ${backend.name}`, () => {
    let place: Place;
    beforeAll(async () => {
      place = await backend.open();
    });
    afterAll(() => place.close());
    const connect = () => connected(place, backend);

    if (WITH_CHANNEL.has(backend.name)) {
      test("a message brings the news", async () => {
        const { app, other, ended } = await twoProcesses(...(await connect()), FAR);
        await listens(app);
        await other.psession.revokeUser("ada");
        await heard(ended);
      });
    } else {
      test("there is no channel, and the next reading finds it", async () => {
        const [here, there] = await connect();
        expect(here.channel).toBeUndefined();
        const { other, ended } = await twoProcesses(here, there, { poll: "1s" });
        await other.psession.revokeUser("ada");
        await heard(ended);
      });
    }
  });
}

async function connected(place: Place, { connections }: Backend): Promise<[Store, Store]> {
  const here = await place.connect();
  return [here, connections > 1 ? await place.connect() : here];
}

const prefixed = {
  ioredis: async () => quiet(new (await import("ioredis")).Redis(redisUrl(), { keyPrefix: "app:" })),
  iovalkey: async () => quiet(new (await import("iovalkey")).Redis(redisUrl(), { keyPrefix: "app:" })),
};

const quiet = <Client extends { on(event: "error", listener: () => void): unknown; disconnect(): void }>(
  client: Client,
) => {
  client.on("error", () => {});
  return { client, close: () => client.disconnect() };
};

const ways: Readonly<Record<string, () => Promise<Connected>>> = {
  ...Object.fromEntries(
    Object.entries(redisDrivers).map(([name, connect]) => [name, () => connect(redisUrl())]),
  ),
  ...Object.fromEntries(
    Object.entries(prefixed).map(([name, connect]) => [`${name}, with a keyPrefix`, connect]),
  ),
};

describe.skipIf(await isRedisMissing("ends in another process on Redis"))(
  "ends in another process: redis",
  () => {
    for (const [name, connect] of Object.entries(ways)) {
      test(`${name}: a message brings the news`, async () => {
        const { app, other, ended } = await onRedis(connect);
        await listens(app);
        await other.psession.revokeUser("ada");
        await heard(ended);
      });
    }

    test("a subscription that the server cut comes back, and what was missed is found", async () => {
      const { app, other, ended } = await onRedis(async () =>
        (ways["ioredis"] as () => Promise<Connected>)(),
      );
      await listens(app);
      const { core } = other.psession;
      // The message itself is lost as well.
      vi.spyOn(core.endings, "changed").mockImplementation(() => {});
      await onServer(redisUrl(), (client) => client.sendCommand(["CLIENT", "KILL", "TYPE", "pubsub"]));
      await other.psession.revokeUser("ada");
      await heard(ended, 10_000);
    });

    test("a pool of node-redis has no channel, and the next reading finds the end", async () => {
      const { createClientPool } = await import("redis");
      const pool = async () => {
        const client = createClientPool({ url: redisUrl() });
        client.on("error", () => {});
        await client.connect();
        return { client: client as unknown as RedisClient, close: () => client.destroy() };
      };
      const { other, ended } = await onRedis(pool, { poll: "1s" });
      await other.psession.revokeUser("ada");
      await heard(ended);
    });
  },
);

async function onRedis(connect: () => Promise<Connected>, onEnd: OnEnd = FAR) {
  const prefix = newPrefix();
  const connections = await Promise.all([connect(), connect()]);
  onTestFinished(async () => {
    for (const { close } of connections) await close();
    await deleteKeys(redisUrl(), prefix);
  });
  const [here, there] = connections.map(({ client }) => redisStore({ client, prefix })) as [Store, Store];
  return twoProcesses(here, there, onEnd);
}

describeWith([POSTGRES], "a connection to PostgreSQL that listens", () => {
  test("comes back where the server cut it, and what was missed is found", async () => {
    const { url, app, other, ended } = await onPools();
    await listens(app);
    vi.spyOn(other.psession.core.endings, "changed").mockImplementation(() => {});
    await onPostgres(
      url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );
    await other.psession.revokeUser("ada");
    await heard(ended, 10_000);
    await listens(app);
  });

  test("is one for all that wait, of the same session and of others, and ends with psession", async () => {
    const { url, app, browser } = await onPools();
    for (let each = 0; each < 20; each++) (await browser.open()).session.onEnd(() => {});
    await listens(app);
    const listening = () =>
      onPostgres(
        url,
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
      );
    expect(await listening()).toHaveLength(1);
    await app.psession.close();
    await vi.waitFor(async () => expect(await listening()).toHaveLength(0));
  });

  test("is not made where nothing waits, nor where the option says so", async () => {
    const { url, app, other } = await onPools({ channel: false, poll: "1h" });
    await other.psession.revokeUser("ada");
    expect(app.psession.core.endings.isListening).toBe(false);
    expect(
      await onPostgres(
        url,
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ~ 'LISTEN|notify'",
      ),
    ).toHaveLength(0);
  });
});

describeWith([POSTGRES, PGBOUNCER_BINARY], "behind a pooler that passes on no messages", () => {
  test("psession finds out, says so once, and reads instead", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const database = await freshPostgresDatabase();
    const through = await startPgbouncer(database.url);
    const { app, other, ended } = await onPools({ poll: "1s" }, through);
    await vi.waitFor(() => expect(JSON.stringify(warned.mock.calls)).toContain("PSESSION_NO_CHANNEL"), {
      timeout: 10_000,
    });
    expect(app.psession.core.endings.isListening).toBe(false);
    await other.psession.revokeUser("ada");
    await heard(ended);
  });
});

async function onPools(onEnd: OnEnd = FAR, at?: string) {
  const url = at ?? (await freshPostgresDatabase()).url;
  const pools = [1, 2].map(() => new pg.Pool({ connectionString: url, max: 3 }));
  for (const pool of pools) pool.on("error", () => {});
  onTestFinished(async () => {
    for (const pool of pools) await pool.end();
  });
  const [here, there] = pools.map((pool): Store => postgresStore({ pool, prepare: at === undefined }));
  return { url, ...(await twoProcesses(here as Store, there as Store, onEnd)) };
}
