import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { HttpClient } from "./support/http.ts";

const ROOT = resolve(import.meta.dirname, "..");

test("the example of the README runs as it stands", async () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  // Inside the repository, so that "psession" is found as any installed package would be.
  mkdirSync(join(ROOT, ".tmp"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".tmp/readme-"));
  writeFileSync(join(folder, "app.mjs"), example);
  const port = await freePort();
  const key = "Nq8Lw3Zt6Vx1Rb9Ks4Yd7Gh2Jf5Mp0Ca";
  const child = spawn(process.execPath, ["app.mjs"], {
    cwd: folder,
    env: { ...process.env, NODE_ENV: "development", PORT: String(port), SESSION_KEY: key },
    stdio: ["ignore", "inherit", "inherit"],
  });
  onTestFinished(async () => {
    child.kill();
    await new Promise((done) => child.once("exit", done));
    rmSync(folder, { recursive: true, force: true });
  });
  const client = new HttpClient(`http://127.0.0.1:${port}`);
  await untilItAnswers(client);

  await client.post("/cart", { item: "tea" });
  expect((await client.get("/devices")).status).toBe(401);
  expect((await client.post("/login", { email: "ada@example.com", password: "wrong" })).status).toBe(401);
  const credentials = { email: "ada@example.com", password: "only for trying it out", remember: true };
  expect((await client.post("/login", credentials)).status).toBe(303);
  expect((await client.get("/cart")).json).toEqual(["tea"]);
  expect((await client.get("/devices")).json).toMatchObject([{ current: true, isRemembered: true }]);
  expect((await client.get("/billing")).json).toBe("your cards");
  client.restart();
  expect((await client.get("/cart")).json).toEqual(["tea"]);
  expect((await client.get("/billing")).status).toBe(403);
  await client.post("/logout");
  expect((await client.get("/devices")).status).toBe(401);
});

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** The only wait is for a refused connection to be refused no more; each try is a request. */
async function untilItAnswers(client: HttpClient): Promise<void> {
  for (let attempt = 0; attempt < 20_000; attempt++) {
    try {
      await client.get("/cart");
      return;
    } catch {
      await new Promise(setImmediate);
    }
  }
  throw new Error("the example did not start");
}
