import { join } from "node:path";
import BetterSqlite3 from "better-sqlite3";
import {
  type Dialect,
  Kysely,
  type KyselyPlugin,
  MysqlDialect,
  PostgresDialect,
  SqliteDialect,
  sql,
} from "kysely";
import { whenDone } from "../../support/servers/cleanup.ts";
import { freshDatabase, freshSchema } from "../../support/servers/fresh.ts";
import { MYSQL, type Need, POSTGRES } from "../../support/servers/reach.ts";
import { temporaryFolder } from "../../support/temp.ts";

export interface Opened<DB> {
  readonly db: Kysely<DB>;
  /** The texts of the statements that went through it, as Kysely logs them. */
  readonly log: string[];
  /** Codes of those that failed. */
  readonly failures: string[];
  run(text: string): Promise<Record<string, unknown>[]>;
}

export interface Database {
  readonly name: "sqlite" | "postgres" | "mysql";
  readonly needs: readonly Need[];
  /** An empty database, until the test is over. */
  dialect(): Promise<Dialect>;
}

export const databases: readonly Database[] = [
  { name: "sqlite", needs: [], dialect: async () => sqliteAt(join(temporaryFolder(), "app.sqlite")) },
  {
    name: "postgres",
    needs: [POSTGRES],
    dialect: async () => {
      const { default: pg } = await import("pg");
      return new PostgresDialect({ pool: new pg.Pool({ connectionString: (await freshSchema()).url }) });
    },
  },
  {
    name: "mysql",
    needs: [MYSQL],
    dialect: async () => {
      const { default: mysql2 } = await import("mysql2");
      return new MysqlDialect({ pool: mysql2.createPool({ uri: (await freshDatabase()).url }) });
    },
  },
];

export function sqliteAt(path: string): SqliteDialect {
  const database = new BetterSqlite3(path, { timeout: 0 });
  database.pragma("journal_mode = WAL");
  return new SqliteDialect({ database });
}

/** Kysely on it, destroyed when the test is over. */
export function opened<DB>(
  dialect: Dialect,
  { plugins = [], onStatement }: { plugins?: KyselyPlugin[]; onStatement?: (text: string) => void } = {},
): Opened<DB> {
  const log: string[] = [];
  const failures: string[] = [];
  const db = new Kysely<DB>({
    dialect,
    plugins,
    log: (event) => {
      log.push(event.query.sql);
      if (event.level === "error") failures.push(String((event.error as { code?: unknown }).code));
      else onStatement?.(event.query.sql);
    },
  });
  whenDone(() => db.destroy());
  const run = async (text: string) =>
    (await sql<Record<string, unknown>>`${sql.raw(text)}`.execute(db.withoutPlugins())).rows;
  return { db, log, failures, run };
}
