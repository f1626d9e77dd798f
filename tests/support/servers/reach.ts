import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, inject, test } from "vitest";

/** Something outside of this repository that tests need: a server that runs, or programs to start one. */
export interface Need {
  /** What it is for people: "PostgreSQL at 127.0.0.1:5432". */
  readonly name: string;
  /** What to do to have it. */
  readonly remedy: string;
  /** Rejects with the reason where it is missing, and is bounded in time. */
  ask(): Promise<unknown>;
}

/** A server that runs already, and that tests share: each makes a schema or a database of its own. */
export interface ServerNeed extends Need {
  readonly url: string;
}

/** Longest wait for a server that may not be there. */
const PATIENCE = 3000;

export const POSTGRES: ServerNeed = serverNeed(
  "PostgreSQL",
  "PSESSION_TEST_POSTGRES",
  "postgres://postgres@127.0.0.1:5432/postgres",
  async (url) => {
    const { Client } = await import("pg");
    const client = new Client({ connectionString: url, connectionTimeoutMillis: PATIENCE });
    await client.connect();
    await client.end();
  },
);

/** MySQL or MariaDB. */
export const MYSQL: ServerNeed = serverNeed(
  "MySQL",
  "PSESSION_TEST_MYSQL",
  "mysql://root@127.0.0.1:3306/test",
  async (url) => {
    const { default: mysql } = await import("mysql2/promise");
    const connection = await mysql.createConnection({ uri: url, connectTimeout: PATIENCE });
    await connection.end();
  },
);

/** A server at the address in the variable `variable`, or at `usual`; `connect` rejects if it does not let us in. */
export function serverNeed(
  kind: string,
  variable: string,
  usual: string,
  connect: (url: string) => Promise<unknown>,
): ServerNeed {
  const url = process.env[variable] || usual;
  return {
    name: `${kind} at ${new URL(url).host}`,
    remedy: `set ${variable}`,
    url,
    ask: () => connect(url),
  };
}

/**
 * A suite that runs where everything it needs is there, and otherwise is skipped with a line that says so. In CI it
 * fails instead.
 */
export function describeWith(needs: Need | readonly Need[], title: string, body: () => unknown): void {
  // Vitest waits for an asynchronous body before it collects what follows, so nothing races here.
  describe(title, async () => {
    const missing = (await Promise.all([needs].flat().map(missingFrom))).filter((line) => line !== undefined);
    if (missing.length === 0) {
      await body();
      return;
    }
    const reason = missing.join("; ");
    if (process.env["CI"]) {
      test("has what it needs", () => {
        throw new Error(`In CI nothing may be left out: ${reason}`);
      });
      return;
    }
    console.log(`Left out, "${title}": ${reason}`);
    describe.skip("left out", body as () => void);
  });
}

const asked = new Map<Need, Promise<string | undefined>>();

/** Why `need` is missing, if it is; asked once per process, and of a server that answered not again in this run. */
function missingFrom(need: Need): Promise<string | undefined> {
  let answer = asked.get(need);
  if (answer === undefined) {
    answer = askOnce(need).then(
      () => undefined,
      (error: unknown) => `${need.name} is missing (${reasonOf(error)}; ${need.remedy}).`,
    );
    asked.set(need, answer);
  }
  return answer;
}

/** Asking takes a driver: files of which no test is chosen that needs one load none. */
async function askOnce(need: Need): Promise<void> {
  const answered =
    "url" in need
      ? join(inject("serversFolder"), `answered-${encodeURIComponent(String(need.url))}`)
      : undefined;
  if (answered !== undefined && existsSync(answered)) return;
  await need.ask();
  if (answered !== undefined) writeFileSync(answered, "");
}

function reasonOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return message || code || String(error);
}
