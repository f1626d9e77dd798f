/** The contracts on Bun or Deno, whichever runs this, with its own server. The last line is the result as JSON. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "hono";
import { memoryStore } from "../../src/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import {
  type ContractCase,
  type HttpIntegration,
  httpContract,
  storeContract,
} from "../../src/testing/contracts.ts";
import { fetchIntegration } from "../integrations/contract/fetch.ts";
import { honoIntegration } from "../integrations/contract/hono.ts";
import { isBun, onBun, onDeno, runtime } from "./servers.ts";
import { upgrades } from "./upgrades.ts";

type GetConnInfo = (c: Context) => { remote: { address?: string | undefined } };

async function integrations(): Promise<Record<string, HttpIntegration>> {
  const { getConnInfo } = (await import(isBun ? "hono/bun" : "hono/deno")) as { getConnInfo: GetConnInfo };
  const address = (c: Context) => getConnInfo(c).remote.address;
  return isBun
    ? { fetch: fetchIntegration(onBun), Hono: honoIntegration(onBun, address) }
    : { fetch: fetchIntegration(onDeno), Hono: honoIntegration(onDeno, address) };
}

const openSqlite = async () => {
  const folder = mkdtempSync(join(tmpdir(), "psession-"));
  const store = sqliteStore({ path: join(folder, "sessions.sqlite") });
  const close = async () => {
    await store.close?.();
    rmSync(folder, { recursive: true, force: true });
  };
  return { store, close };
};

const contracts: [string, ContractCase[]][] = [
  ...Object.entries(await integrations()).map(([name, integration]): [string, ContractCase[]] => [
    `HTTP contract: ${name}`,
    httpContract(integration),
  ]),
  ["WebSockets", upgrades],
  ["store contract: memory", storeContract(async () => ({ store: memoryStore(), close: async () => {} }))],
  ["store contract: SQLite", storeContract(openSqlite)],
];

let passed = 0;
const failed: string[] = [];
for (const [contract, cases] of contracts) {
  for (const { name, run } of cases) {
    try {
      await run();
      passed++;
    } catch (error) {
      failed.push(`${contract} > ${name}`);
      console.error(`${contract} > ${name}\n`, error);
    }
  }
}
console.log(JSON.stringify({ runtime: runtime(), passed, failed }));
process.exit(failed.length > 0 ? 1 : 0);
