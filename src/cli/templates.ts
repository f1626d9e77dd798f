/** What `psession init` writes and prints. The tests run it. */
import type { UserIdKind } from "../stores/store.ts";

export type StoreName = "sqlite" | "postgres" | "mysql" | "redis";

interface StoreTemplate {
  readonly label: string;
  readonly hint: string;
  readonly packages: readonly string[];
  /** Imports. */
  readonly lines: readonly string[];
  /** The store, as code, with more options inside the braces of the last of its calls. */
  readonly store: (more: string) => string;
  /** What user ids may be; none where the store keeps all of them side by side. The first is its default. */
  readonly userIds: readonly UserIdKind[];
}

/** What user ids are, as a question to whoever runs `psession init`. */
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
    lines: ['import { sqliteStore } from "psession/sqlite";'],
    store: (more) => `sqliteStore({ path: process.env.SESSION_DATABASE ?? "sessions.sqlite"${more} })`,
    userIds: ["any", "integer", "text", "uuid"],
  },
  postgres: {
    label: "PostgreSQL",
    hint: "with pg",
    packages: ["pg"],
    lines: ['import pg from "pg";', 'import { postgresStore } from "psession/postgres";'],
    store: (more) =>
      `postgresStore({ pool: new pg.Pool({ connectionString: process.env.DATABASE_URL })${more} })`,
    userIds: ["text", "integer", "uuid"],
  },
  mysql: {
    label: "MySQL or MariaDB",
    hint: "with mysql2",
    packages: ["mysql2"],
    lines: ['import mysql from "mysql2/promise";', 'import { mysqlStore } from "psession/mysql";'],
    store: (more) => `mysqlStore({ pool: mysql.createPool(process.env.DATABASE_URL ?? "")${more} })`,
    userIds: ["text", "integer", "uuid"],
  },
  redis: {
    label: "Redis or Valkey",
    hint: "with redis",
    packages: ["redis"],
    lines: ['import { createClient } from "redis";', 'import { redisStore } from "psession/redis";'],
    store: () => "redisStore({ client: await createClient({ url: process.env.REDIS_URL }).connect() })",
    userIds: [],
  },
};

interface Framework {
  readonly label: string;
  readonly packages: readonly string[];
  readonly imports: string;
  readonly body: string;
}

/** By subpath; those that this package exports are offered. */
export const FRAMEWORKS: Readonly<Record<string, Framework>> = {
  express: {
    label: "Express",
    packages: ["express"],
    imports: `import express from "express";
import { createPsession } from "psession";
import { originCheck, requireLogin, sessions } from "psession/express";`,
    body: `const app = express();
// app.set("trust proxy", 1); // behind a proxy that speaks https
app.use(originCheck(), express.json(), sessions(psession));

app.get("/", ({ session }, response) => response.json({ level: session.level }));
app.get("/devices", requireLogin(), async ({ session }, response) => response.json(await session.devices()));

app.listen(process.env.PORT ?? 3000);`,
  },
  fastify: {
    label: "Fastify",
    packages: ["fastify"],
    imports: `import fastify from "fastify";
import { createPsession } from "psession";
import { originCheck, requireLogin, sessions } from "psession/fastify";`,
    body: `const app = fastify();
app.addHook("onRequest", originCheck());
await app.register(sessions, { psession });

app.get("/", async (request) => ({ level: (await request.openSession()).level }));
app.get("/devices", { preHandler: requireLogin() }, ({ session }) => session.devices());

await app.listen({ port: Number(process.env.PORT ?? 3000) });`,
  },
  koa: {
    label: "Koa",
    packages: ["koa"],
    imports: `import Koa from "koa";
import { createPsession } from "psession";
import { originCheck, sessions } from "psession/koa";`,
    body: `const app = new Koa();
app.use(originCheck());
app.use(sessions(psession));

app.use(async (ctx) => {
  const session = await ctx.openSession();
  ctx.body = { level: session.level };
});

app.listen(Number(process.env.PORT ?? 3000));`,
  },
  hono: {
    label: "Hono",
    packages: ["hono", "@hono/node-server"],
    imports: `import { serve } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { Hono } from "hono";
import { createPsession } from "psession";
import { originCheck, requireLogin, sessions } from "psession/hono";`,
    body: `const app = new Hono();
app.use(originCheck(), sessions(psession, { address: (c) => getConnInfo(c).remote.address }));

app.get("/", async (c) => c.json({ level: (await c.var.session).level }));
app.get("/devices", requireLogin(), async (c) => c.json(await (await c.var.session).devices()));

serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) });`,
  },
  node: {
    label: "none: node:http",
    packages: [],
    imports: `import { createServer } from "node:http";
import { createPsession } from "psession";
import { withSession } from "psession/node";`,
    body: `const server = createServer(
  withSession(psession, (request, response, session) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ level: session.level }));
  }),
);

server.listen(process.env.PORT ?? 3000);`,
  },
};

/** The configuration that the application imports and the command line reads. */
export function configFor(name: StoreName, userIds: UserIdKind | undefined): string {
  const { lines, store } = STORES[name];
  // The tables are made for it: said where everybody looks who changes it.
  const more = userIds === undefined ? "" : `, userIds: "${userIds}"`;
  return `import { dangerouslyAllowInsecureHttp } from "psession";
${lines.join("\n")}

const production = process.env.NODE_ENV === "production";

/** @satisfies {import("psession").PsessionOptions} */
export default {
  store: ${store(more)},
  // Secrets with commas between them, the first signs: psession keys generate
  keys: (process.env.SESSION_KEYS ?? "").split(","),
  // For http://localhost; refused in production.
  ...(production ? {} : { [dangerouslyAllowInsecureHttp]: true }),
};

/** What \`psession doctor\` cannot see by itself. */
export const deployment = {
  production,
  // url: "https://example.com/", // a page that uses its session
  // trustProxy: true,
};
`;
}

export function applicationFor(framework: string, configFile: string): string {
  const { imports = "", body = "" } = FRAMEWORKS[framework] ?? {};
  return `${imports}
import config from "./${configFile}";

const psession = createPsession(config);
psession.on("theft", ({ userId, request }) => console.warn("stolen cookie", userId, request.address));

${body}
`;
}
