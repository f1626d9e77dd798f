import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, onTestFinished } from "vitest";
import { HttpClient } from "./http.ts";
import { freePort } from "./servers/ports.ts";

export const ROOT = resolve(import.meta.dirname, "../..");

/** A folder inside the repository, so that "psession" is found as any installed package would be. */
export function folderForApp(): string {
  mkdirSync(join(ROOT, ".tmp"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".tmp/app-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface AppOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Gets what the application prints, in place of our own output. */
  readonly hear?: (text: string) => void;
}

/** Starts an example as a process of its own, on a free port, and ends it with the test. */
export async function startApp(
  file: string,
  folder: string,
  runtime = [process.execPath],
  { env = {}, hear }: AppOptions = {},
): Promise<HttpClient> {
  const port = await freePort();
  const [program = "", ...values] = runtime;
  const child = spawn(program, [...values, file], {
    cwd: folder,
    env: {
      ...process.env,
      NODE_ENV: "development",
      PORT: String(port),
      SESSION_KEYS: "Nq8Lw3Zt6Vx1Rb9Ks4Yd7Gh2Jf5Mp0Ca",
      SESSION_SECRET: "Nq8Lw3Zt6Vx1Rb9Ks4Yd7Gh2Jf5Mp0Ca",
      ...env,
    },
    stdio: ["ignore", hear === undefined ? "inherit" : "pipe", "inherit"],
  });
  if (hear !== undefined) child.stdout?.setEncoding("utf8").on("data", hear);
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  onTestFinished(() => {
    child.kill();
    return ended;
  });
  const client = new HttpClient(`http://127.0.0.1:${port}`);
  await untilItAnswers(client, () => child.exitCode !== null);
  return client;
}

/** The first block of code on a page, run as it stands. */
export async function startExample(page: string): Promise<HttpClient> {
  const example = /```js\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, page), "utf8"))?.[1] ?? "";
  const folder = folderForApp();
  const file = join(folder, "app.mjs");
  writeFileSync(file, example);
  return startApp(file, folder);
}

/** What every example can do: a cart that outlives the browser, a sign-in, devices, and a page for the fresh. */
export async function visitShop(client: HttpClient): Promise<void> {
  await client.post("/cart", { item: "tea" });
  expect((await client.get("/devices")).status).toBe(401);
  expect((await client.post("/login", { email: "ada@example.com", password: "wrong" })).status).toBe(401);
  expect((await client.post("/login", { email: "nobody@example.com" })).status).toBe(401);
  const credentials = { email: "ada@example.com", password: "only for trying it out", remember: "on" };
  expect((await client.post("/login", credentials)).status).toBe(303);
  expect((await client.get("/cart")).json).toEqual(["tea"]);
  expect((await client.get("/devices")).json).toMatchObject([{ current: true, isRemembered: true }]);
  expect((await client.get("/billing")).json).toBe("your cards");
  client.restart();
  expect((await client.get("/cart")).json).toEqual(["tea"]);
  expect((await client.get("/billing")).status).toBe(403);
  const foreign = { origin: "https://evil.example" };
  expect((await client.post("/cart", { item: "spoon" }, foreign)).status).toBe(403);
  await client.post("/logout");
  expect((await client.get("/devices")).status).toBe(401);
}

/** The only wait is for a refused connection to be refused no more; each try is a request. */
async function untilItAnswers(client: HttpClient, hasEnded: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 20_000 && !hasEnded(); attempt++) {
    try {
      await client.get("/cart");
      return;
    } catch {
      await new Promise(setImmediate);
    }
  }
  throw new Error("the application did not start");
}
