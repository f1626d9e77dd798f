/** Every entry, as applications use it, with what they take from their environment. */
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import type { Pool } from "pg";
import { createPsession, type Device, PsessionError, type PsessionOptions, type Session } from "psession";
import { type Attempt, signInAttempts } from "psession/attempts";
import { devalueCodec } from "psession/devalue";
import { devicesEndpoint } from "psession/devices";
import { sessions as express } from "psession/express";
import session, { type SessionData as DropInData, Store as DropInStore } from "psession/express-session";
import fastify, { sessions as sameFastify } from "psession/fastify";
import { jarSession, requestSessions } from "psession/fetch";
import { sessions as hono } from "psession/hono";
import { sessions as koa } from "psession/koa";
import { memoryStore } from "psession/memory";
import { mysqlStore } from "psession/mysql";
import { requireLogin, withSession } from "psession/node";
import { theftNotice } from "psession/notices";
import { instrument } from "psession/opentelemetry";
import { postgresStore } from "psession/postgres";
import { redisStore } from "psession/redis";
import { sqliteStore } from "psession/sqlite";
import type { Store } from "psession/store";
import { signedIn, testPsession } from "psession/testing";
import { storeContract } from "psession/testing/contracts";
import { german, type Texts } from "psession/texts";

declare module "psession" {
  interface SessionData {
    cart: string[];
  }
}

const { env } = process;
declare const pool: Pool;

/** What a variable may not hold is checked where the options are. */
const options: PsessionOptions = {
  store: memoryStore({ audit: env["AUDIT"] === "yes" ? true : undefined }),
  keys: [env["SESSION_KEY"], env["OLD_SESSION_KEY"]],
  encryption: { keys: [env["DATA_KEY"]] },
  realm: env["REALM"],
  cookies: { domain: env["COOKIE_DOMAIN"], path: undefined },
  session: { idle: undefined, codec: devalueCodec({ stringify: String, parse: JSON.parse }) },
  remember: env["REMEMBER"] === "no" ? { enabled: false } : undefined,
  proxy: { requestStart: env["REQUEST_START"] },
};
const psession = createPsession(options);
const stores: Store[] = [
  memoryStore(),
  sqliteStore({ path: env["DATABASE"] }),
  sqliteStore({ database: new DatabaseSync(":memory:"), migrate: undefined }),
  postgresStore({ pool, schema: env["SCHEMA"] }),
];

createServer(
  withSession(psession, async (request, response, own) => {
    if (!requireLogin()(request, response, own)) return;
    const cart: string[] | undefined = own.data.cart;
    const devices: Device[] = await own.devices();
    response.end(JSON.stringify([cart, devices]));
  }),
);
async function signIn(own: Session): Promise<void> {
  await own.login(7, { remember: undefined, tag: env["TAG"] });
  // @ts-expect-error: no such data
  own.data.basket;
}

const attempts = signInAttempts(psession, { postgres: pool, name: env["TABLE"], address: false });
async function countedSignIn(own: Session): Promise<string | undefined> {
  const who = { account: "ada@example.com", userId: undefined };
  const attempt: Attempt<string | undefined> = await attempts.try(own, who, () => env["PERSON"]);
  // @ts-expect-error: only what passed has a value that is there
  attempt.value.length;
  return attempt.outcome === "passed" ? attempt.value : undefined;
}

class OwnStore extends DropInStore {
  readonly sessions = new Map<string, DropInData>();

  get(id: string, callback: (error: unknown, session?: DropInData | null) => void): void {
    callback(null, this.sessions.get(id));
  }

  set(id: string, data: DropInData, callback?: (error?: unknown) => void): void {
    this.sessions.set(id, data);
    callback?.();
  }

  destroy(id: string, callback?: (error?: unknown) => void): void {
    this.sessions.delete(id);
    callback?.();
  }
}
const own: DropInStore = new OwnStore();
const same: session.Store = new session.MemoryStore();
const dropIns = [own, same, memoryStore(), psession].map((store) =>
  session({ store, secret: [env["SECRET"] ?? "", env["OLD_SECRET"]], cookie: { maxAge: null } }),
);
const secrets: session.SessionOptions = { secret: env["SECRET"], genid: undefined };

const french: Texts = { ...german, locale: "fr" };

export const all = [
  french,
  devicesEndpoint,
  express(psession),
  fastify === sameFastify,
  jarSession,
  requestSessions,
  hono,
  koa,
  mysqlStore,
  theftNotice,
  instrument,
  redisStore,
  signedIn,
  storeContract,
  testPsession,
  PsessionError,
  stores,
  dropIns,
  secrets,
  signIn,
  countedSignIn,
];
