/** What is thrown, told and logged of what Redis refuses says what failed, and holds no value, in no driver. */

import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { PsessionError, type Store } from "../../../src/index.ts";
import { newAuditId } from "../../../src/stores/audit.ts";
import { locksOf } from "../../../src/stores/locks.ts";
import { type RedisClient, redisStore } from "../../../src/stores/redis/index.ts";
import { Keys } from "../../../src/stores/redis/keys.ts";
import { digestOf, rememberedRow, sessionRow, T0 } from "../../../src/testing/rows.ts";
import { isRedisMissing, startRedis } from "../../support/servers/redis.ts";
import { drivers } from "./fixtures.ts";

const USER = "user-OF-MARKS";
const PREFIX = "psession:";

const MARKS = [
  "OF-MARKS",
  "203.0.113.77",
  ...["secret", "token"].flatMap((text) => {
    const bytes = Buffer.from(digestOf(text));
    return [bytes.toString("hex"), bytes.toString("base64url")].map((form) => form.slice(0, 12));
  }),
];

function expectNoMarks(error: unknown): void {
  const causes: unknown[] = [];
  for (let at = error; at instanceof Error; at = at.cause) causes.push(at);
  const text = causes
    .flatMap((one) => [
      inspect(one, { depth: 99, showHidden: true, maxStringLength: null }),
      JSON.stringify(one),
      String((one as Error).stack),
      ...Reflect.ownKeys(one as object).map((key) => inspect((one as never)[key], { depth: 99 })),
    ])
    .join("\n");
  expect(
    MARKS.filter((mark) => text.includes(mark)),
    text,
  ).toEqual([]);
}

const rows = () => {
  const login = rememberedRow({ userId: USER, name: "name-OF-MARKS" });
  const session = sessionRow({
    rememberedId: login.id,
    userId: USER,
    level: "login",
    data: '{"card":"data-OF-MARKS"}',
    userAgent: "Agent-OF-MARKS",
    address: "203.0.113.77",
  });
  return { login, session };
};

const entry = () => ({
  ...{ id: newAuditId(T0), at: T0, event: "login", userId: USER, actorId: undefined, handle: undefined },
  ...{ address: "203.0.113.77", detail: "detail-OF-MARKS" },
});

/** By what is done to the server's keys: what then fails, and what is said of it. */
const REFUSALS: Readonly<
  Record<string, readonly [readonly string[], (store: Store) => Promise<unknown> | undefined, RegExp]>
> = {
  "an index of a user that is something else": [
    ["SET", `${PREFIX}u:s${USER}`, "x"],
    (store) => store.apply({ kind: "signIn", insert: rows().session }),
    /psession:u:….*Do not delete it/,
  ],
  "an audit trail of a user that is something else": [
    ["SET", new Keys(PREFIX).auditOf(`s${USER}`), "x"],
    (store) => store.audit?.append([entry()]),
    /psession:audit:….*damaged/,
  ],
  "a lock that is something else": [
    ["LPUSH", `${PREFIX}lock:app/of ${USER}`, "x"],
    (store) => locksOf(store).acquire({ name: `app/of ${USER}`, owner: "o", now: T0, until: T0 + 1 }),
    /psession:lock:….*damaged/,
  ],
  "an entry of the trail that is none": [
    ["ZADD", new Keys(PREFIX).auditOf(`s${USER}`), "0", "AAAAAAAAAAAAAAAAAAAAAA{entry-OF-MARKS"],
    (store) => store.audit?.read({ userId: USER, limit: 10 }),
    /An entry of the audit trail/,
  ],
  "no right to any key": [
    ["ACL", "SETUSER", "default", "resetkeys"],
    (store) => store.apply({ kind: "signIn", insert: rows().session }),
    /may not run psession's commands/,
  ],
  "no right to scripts": [
    ["ACL", "SETUSER", "default", "-evalsha", "-eval"],
    (store) => store.apply({ kind: "signIn", remember: rows().login }),
    /may not run psession's commands/,
  ],
  "a server that is full": [
    ["CONFIG", "SET", "maxmemory", "1"],
    (store) => store.apply({ kind: "signIn", insert: rows().session }),
    /reached its maxmemory/,
  ],
};

const isMissing = await isRedisMissing("the tests of values in errors of Redis");

describe.skipIf(isMissing).each(Object.entries(drivers))("through %s:", (_, connect) => {
  test.for(Object.entries(REFUSALS))("%s", async ([, [command, work, said]]) => {
    const redis = await startRedis({ args: [] });
    onTestFinished(() => redis.stop());
    const { client, close } = await connect(redis.url);
    onTestFinished(() => void close());
    const store = redisStore({ client, audit: true });
    // So that scripts are known, and the client is ready.
    await store.apply({ kind: "create", insert: sessionRow() });
    await redis.command(...(command as [string, ...string[]]));
    const error = await Promise.resolve(work(store)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(PsessionError);
    expect(String(error)).toMatch(said);
    expectNoMarks(error);
  });
});

test.for([
  "ERR user user-OF-MARKS is blocked",
  "ERR unknown command 'HSET', with args beginning with: 'psession:u:suser-OF-MARKS' ",
  "NOPERM No permissions to access the key 'psession:u:suser-OF-MARKS'",
  "ERR script tried accessing undeclared key 'psession:u:suser-OF-MARKS'",
  "ERR Error running script (call to f_1a2b): @user_script:3: user-OF-MARKS",
  "write user-OF-MARKS",
])("%s", async (said) => {
  const error = Object.assign(new Error(said), { command: { name: "evalsha", args: [USER] } });
  const client: RedisClient = { call: () => Promise.reject(error) };
  const told = await redisStore({ client })
    .findSession("x")
    .catch((thrown) => thrown);
  expect(told).toMatchObject({ code: "store_unavailable" });
  expectNoMarks(told);
});
