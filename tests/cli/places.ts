import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Store, UserId } from "../../src/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { KEY, overHttp, type TestApp, TestBrowser, testApp } from "../support/app.ts";
import { freshSchema } from "../support/servers/fresh.ts";
import { type Need, POSTGRES } from "../support/servers/reach.ts";
import { folderForApp } from "../support/shop.ts";
import { psessionIn, type Ran } from "./run.ts";

export interface ConfigParts {
  /** Options besides the store, as code. */
  readonly options?: string;
  /** Options of the store, as code. */
  readonly store?: string;
  readonly deployment?: string;
  readonly file?: string;
  /** Code before everything. */
  readonly before?: string;
}

/** A folder with an application's configuration, and the database that it names. */
export interface Place {
  readonly folder: string;
  /** The application on the same database, by the clock that the commands are given as well. */
  readonly app: TestApp;
  readonly store: Store;
  /** Runs a plain statement. */
  sql(text: string): Promise<unknown>;
  configure(parts?: ConfigParts): string;
  run(...values: string[]): Promise<Ran>;
}

interface StoreOptions {
  readonly migrate?: boolean;
  readonly audit?: boolean;
}

interface Kind {
  readonly needs: readonly Need[];
  open(): Promise<Opened>;
}

interface Opened {
  readonly store: (options?: StoreOptions) => Store;
  readonly imports: string;
  /** The store as code, with these options besides. */
  readonly code: (options: string) => string;
  sql(text: string): Promise<unknown>;
}

export const SQLITE: Kind = {
  needs: [],
  open: async () => {
    const path = join(folderForApp(), "app.sqlite");
    const { DatabaseSync } = await import("node:sqlite");
    return {
      store: ({ migrate = true, audit = false } = {}) => {
        const store = sqliteStore({ path, migrate, audit });
        onTestFinished(() => store.close?.());
        return store;
      },
      imports: 'import { sqliteStore } from "psession/sqlite";',
      code: (options) => `sqliteStore({ path: ${JSON.stringify(path)}, ${options} })`,
      sql: async (text) => {
        const database = new DatabaseSync(path);
        database.exec(text);
        database.close();
      },
    };
  },
};

export const KINDS: Readonly<Record<string, Kind>> = {
  sqlite: SQLITE,
  postgres: {
    needs: [POSTGRES],
    open: async () => {
      const { url } = await freshSchema();
      const { default: pg } = await import("pg");
      const pool = new pg.Pool({ connectionString: url, max: 2 });
      onTestFinished(() => pool.end());
      return {
        store: ({ migrate = true, audit = false } = {}) => postgresStore({ pool, migrate, audit }),
        imports: 'import pg from "pg";\nimport { postgresStore } from "psession/postgres";',
        code: (options) =>
          `postgresStore({ pool: new pg.Pool({ connectionString: ${JSON.stringify(url)} }), ${options} })`,
        sql: (text) => pool.query(text),
      };
    },
  },
};

/** User ids are text in these tests: both databases keep them. */
export async function place(
  kind: Kind,
  { migrate = true, audit = false }: StoreOptions = {},
): Promise<Place> {
  const folder = folderForApp();
  const opened = await kind.open();
  const store = opened.store({ migrate, audit });
  if (migrate) await store.migrate?.();
  const app = testApp({ store, ...overHttp });
  const configure = ({
    options = "",
    store = audit ? "audit: true" : "",
    deployment,
    file = "psession.config.mjs",
    before = "",
  }: ConfigParts = {}) => {
    const path = join(folder, file);
    writeFileSync(
      path,
      `${opened.imports}
${before}
const clock = process.env.NOW === undefined ? undefined : { now: () => Number(process.env.NOW) };
export default { store: ${opened.code(store)}, keys: process.env.SESSION_KEYS, clock, ${options} };
${deployment === undefined ? "" : `export const deployment = ${deployment};`}
`,
    );
    return path;
  };
  configure();
  return {
    folder,
    app,
    store,
    sql: opened.sql,
    configure,
    run: (...values) =>
      psessionIn(
        { cwd: folder, env: { SESSION_KEYS: KEY, NOW: String(app.clock.now()), NODE_ENV: "development" } },
        ...values,
      ),
  };
}

/** A browser that has signed this user in; gives the device's handle. */
export async function signIn(app: TestApp, userId: UserId, { remember = false } = {}): Promise<string> {
  const browser = new TestBrowser(
    app,
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  );
  const { session } = await browser.visit((session) => session.login(userId, { remember }));
  return session.handle;
}
