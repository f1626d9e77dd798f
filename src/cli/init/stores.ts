import type { UserIdKind } from "../../stores/store.ts";

export type StoreName = "sqlite" | "postgres" | "mysql" | "redis";

/** What an application is to be made for. */
export interface Choices {
  readonly store: StoreName;
  readonly userIds: UserIdKind | undefined;
  readonly framework: string;
  readonly typescript: boolean;
}

/** An environment variable with the address of a database. */
interface Address {
  readonly name: string;
  /** The value that `psession init` writes into .env. */
  readonly value: string;
  /** The value only shows the form: no database has this address. */
  readonly isToBeFilledIn: boolean;
}

interface StoreTemplate {
  readonly label: string;
  readonly hint: string;
  readonly packages: readonly string[];
  /** Packages with types only. */
  readonly types: readonly string[];
  readonly imports: readonly string[];
  /** What stands before the options; none where the store is one expression. */
  readonly before?: string;
  /** The store, as code, with more options inside the braces of the last of its calls. */
  readonly store: (more: string) => string;
  /** What user ids may be; none where the store keeps all of them side by side. The first is its default. */
  readonly userIds: readonly UserIdKind[];
  readonly address?: Address;
  /** Files that it makes in the folder of the application, as a line of .gitignore. */
  readonly files?: string;
}

/** The types of user ids, as choices of a question of `psession init`. */
export const USER_IDS: Readonly<Record<UserIdKind, { readonly label: string; readonly hint: string }>> = {
  text: { label: "text", hint: "nanoid, ULID, a name: compared letter by letter" },
  integer: { label: "integer", hint: "numbers, such as a key that counts up" },
  uuid: { label: "uuid", hint: "in the database's own type, where it has one" },
  any: { label: "any", hint: "numbers and text, side by side" },
};

export const STORES: Readonly<Record<StoreName, StoreTemplate>> = {
  sqlite: {
    label: "SQLite",
    hint: "a file; nothing to install",
    packages: [],
    types: [],
    imports: ['import { sqliteStore } from "psession/sqlite";'],
    store: (more) => `sqliteStore({ path: process.env.SESSION_DATABASE ?? "sessions.sqlite"${more} })`,
    userIds: ["any", "integer", "text", "uuid"],
    files: "sessions.sqlite*",
  },
  postgres: {
    label: "PostgreSQL",
    hint: "with pg",
    packages: ["pg"],
    types: ["@types/pg"],
    imports: ['import pg from "pg";', 'import { postgresStore } from "psession/postgres";'],
    store: (more) =>
      `postgresStore({ pool: new pg.Pool({ connectionString: process.env.DATABASE_URL })${more} })`,
    userIds: ["text", "integer", "uuid"],
    address: {
      name: "DATABASE_URL",
      value: "postgres://user:password@localhost:5432/database",
      isToBeFilledIn: true,
    },
  },
  mysql: {
    label: "MySQL or MariaDB",
    hint: "with mysql2",
    packages: ["mysql2"],
    types: [],
    imports: ['import mysql from "mysql2/promise";', 'import { mysqlStore } from "psession/mysql";'],
    store: (more) => `mysqlStore({ pool: mysql.createPool(process.env.DATABASE_URL ?? "")${more} })`,
    userIds: ["text", "integer", "uuid"],
    address: {
      name: "DATABASE_URL",
      value: "mysql://user:password@localhost:3306/database",
      isToBeFilledIn: true,
    },
  },
  redis: {
    label: "Redis or Valkey",
    hint: "with redis",
    packages: ["redis"],
    types: [],
    imports: ['import { createClient } from "redis";', 'import { redisStore } from "psession/redis";'],
    before: `const client = createClient({ url: process.env.REDIS_URL });
// Without a listener, a lost connection would end the process.
client.on("error", (error) => console.error("Redis:", error.message));
await client.connect();
`,
    store: () => "redisStore({ client })",
    userIds: [],
    address: { name: "REDIS_URL", value: "redis://localhost:6379", isToBeFilledIn: false },
  },
};
