import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import mysql from "mysql2/promise";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { TestBrowser, testApp } from "../support/app.ts";
import { HOUR } from "../support/clock.ts";
import { freshDatabase, freshSchema } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, type Need, POSTGRES } from "../support/servers/reach.ts";
import { temporaryFolder } from "../support/temp.ts";

const PROCESSES = 4;

const STORES: Record<string, { needs: Need[]; open: () => Promise<{ store: Store; address: string }> }> = {
  sqlite: {
    needs: [],
    open: async () => {
      const address = join(temporaryFolder(), "sessions.sqlite");
      return { store: sqliteStore({ path: address }), address };
    },
  },
  postgres: {
    needs: [POSTGRES],
    open: async () => {
      const { url: address } = await freshSchema();
      const pool = new pg.Pool({ connectionString: address });
      onTestFinished(() => pool.end());
      return { store: postgresStore({ pool }), address };
    },
  },
  mysql: {
    needs: [MYSQL],
    open: async () => {
      const { url: address } = await freshDatabase();
      const pool = mysql.createPool(address);
      onTestFinished(() => pool.end());
      return { store: mysqlStore({ pool }), address };
    },
  },
};

for (const [kind, { needs, open }] of Object.entries(STORES)) {
  describeWith(needs, `several processes on ${kind}`, () => {
    test("that restore one browser at once rotate its token once, and lose no write", async () => {
      const { store, address } = await open();
      const app = testApp({ store });
      const browser = new TestBrowser(app);
      await browser.visit((session) => session.login("ada", { remember: true }));
      browser.restart();
      app.clock.advance(HOUR);
      const worker = new URL("./restore-worker.ts", import.meta.url);
      const values = [kind, address, String(app.clock.now()), JSON.stringify([...browser.jar])];
      const outputs = await Promise.all(Array.from({ length: PROCESSES }, () => outputOf(worker, values)));

      expect(outputs.flatMap(({ users }) => users)).toEqual(Array.from({ length: 100 }, () => "ada"));
      expect(outputs.reduce((sum, { restored }) => sum + restored, 0)).toBe(1);
      const entries = await store.list("ada");
      expect(entries).toHaveLength(1);
      const session = await store.findSession(entries[0]?.session?.id ?? "");
      expect(Object.keys(JSON.parse(session?.data ?? "{}"))).toHaveLength(100);
      await app.psession.close();
    });
  });
}

async function outputOf(worker: URL, values: string[]): Promise<{ users: string[]; restored: number }> {
  const child = fork(worker, values, { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  let text = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  await once(child, "close");
  return JSON.parse(text);
}
