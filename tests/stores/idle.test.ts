/**
 * What the server ends because nothing comes over it is noticed late by a process that stood still, as a frozen function
 * does: its next statement goes nowhere, and is sent again, whatever it writes.
 */

import mysql2, { type Pool, type PoolConnection } from "mysql2/promise";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { Store } from "../../src/index.ts";
import { revoke } from "../../src/stores/changes.ts";
import { locksOf } from "../../src/stores/locks.ts";
import { mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgresStore } from "../../src/stores/postgres/index.ts";
import { rememberedRow, sessionRow, T0 } from "../../src/testing/rows.ts";
import { freshDatabase, freshSchema } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";

/** What a server says as it ends a connection. */
const fault = (fields: object) => Object.assign(new Error("disconnected because of inactivity"), fields);

/** Every kind of write, each of which meets a connection that the server has ended. */
async function everyWriteIsDone(store: Store, breakNext: () => void): Promise<void> {
  const login = rememberedRow();
  const session = sessionRow({ rememberedId: login.id, userId: "ada", level: "login" });
  await store.apply({ kind: "signIn", remember: login, insert: session });
  const done = { done: true, ended: [] };
  breakNext();
  expect(
    await store.apply({ kind: "save", update: { id: session.id, version: 1, set: { data: '{"a":1}' } } }),
  ).toEqual(done);
  breakNext();
  const { token, previous, superseded, supersededAt, salt, keyId, lastUsedAt, idleDeadline, pruneAfter } =
    login;
  const times = { supersededAt, rotatedAt: T0 + 1, lastUsedAt, idleDeadline, pruneAfter };
  const set = {
    token: new Uint8Array(32),
    previous: token,
    superseded: superseded ?? previous,
    salt,
    keyId,
    ...times,
  };
  expect(await store.apply({ kind: "restore", rotate: { id: login.id, generation: 0, set } })).toEqual(done);
  breakNext();
  expect(await locksOf(store).acquire({ name: "x", owner: "me", now: T0, until: T0 + 9 })).toBe(T0);
  breakNext();
  const ended = await revoke(store, { userId: "ada", reason: "revoked", at: T0, pruneAfter: T0 });
  expect(ended).toHaveLength(1);
}

describeWith(POSTGRES, "connections to PostgreSQL that the server has ended", () => {
  test.for(["57P05", "25P03"])("%s: every write is done", async (code) => {
    const { url } = await freshSchema();
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    onTestFinished(() => pool.end());
    let isBroken = false;
    pool.on("connect", (client) => {
      const query = client.query.bind(client);
      client.query = (async (given: pg.QueryConfig) => {
        if (!isBroken) return query(given);
        isBroken = false;
        throw fault({ code, severity: "FATAL" });
      }) as never;
    });
    await everyWriteIsDone(postgresStore({ pool }), () => {
      isBroken = true;
    });
  });
});

describeWith(MYSQL, "connections to MySQL that the server has ended", () => {
  test("every write is done", async () => {
    const { url } = await freshDatabase();
    const pool = mysql2.createPool({ uri: url, connectionLimit: 1 });
    onTestFinished(() => pool.end());
    let isBroken = false;
    const breaking = {
      getConnection: async () => {
        const connection = await pool.getConnection();
        const broken = (name: "query" | "execute") => {
          const call = connection[name].bind(connection) as (...given: unknown[]) => Promise<unknown>;
          return async (...given: unknown[]) => {
            if (!isBroken) return call(...given);
            isBroken = false;
            throw fault({ errno: 4031, code: "ER_CLIENT_INTERACTION_TIMEOUT", fatal: true });
          };
        };
        return {
          query: broken("query"),
          execute: broken("execute"),
          release: () => connection.release(),
          destroy: () => connection.destroy(),
        } as unknown as PoolConnection;
      },
    } as Pool;
    await everyWriteIsDone(mysqlStore({ pool: breaking }), () => {
      isBroken = true;
    });
  });
});
