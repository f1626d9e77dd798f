import { execFileSync, execSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HttpClient } from "./support/http.ts";
import { ROOT, startApp, startExample, visitShop } from "./support/shop.ts";
import { temporaryFolder } from "./support/temp.ts";

const BLOCKS = /```(\w+)\n([\s\S]*?)```/g;

/**
 * What `npm install` makes of a list of packages, without a network: ours is what would be published, and everything
 * else is what is installed here.
 */
function install(folder: string): void {
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, ".bin"), { recursive: true });
  const [{ filename }] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
      cwd: ROOT,
      encoding: "utf8",
    }),
  ) as [{ filename: string }];
  execFileSync("tar", ["-xzf", join(folder, filename), "-C", modules]);
  renameSync(join(modules, "package"), join(modules, "psession"));
  for (const name of readdirSync(join(ROOT, "node_modules"))) {
    if (name !== "psession" && !name.startsWith("."))
      symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  }
  const { bin } = JSON.parse(readFileSync(join(modules, "psession/package.json"), "utf8"));
  symlinkSync(join(modules, "psession", bin.psession), join(modules, ".bin/psession"));
  chmodSync(join(modules, "psession", bin.psession), 0o755);
}

test("the steps of the README lead from an empty folder to a remembered sign-in", async () => {
  const page = readFileSync(join(ROOT, "README.md"), "utf8");
  const part = page.slice(page.indexOf("## Use it"), page.indexOf("The order is:"));
  const [typed = "", example = "", started = ""] = [...part.matchAll(BLOCKS)].map(([, , code]) => code);
  const folder = temporaryFolder();
  const env = { ...process.env, SESSION_KEYS: undefined, npm_config_update_notifier: "false" };
  for (const line of typed.trim().split("\n")) {
    if (line.startsWith("npm install ")) install(folder);
    else execSync(line, { cwd: folder, env, stdio: "pipe" });
  }
  expect(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).type).not.toBe("module");
  expect(statSync(join(folder, ".env")).mode & 0o077).toBe(0);
  writeFileSync(join(folder, "app.mjs"), example);

  const unset = spawnSync(process.execPath, ["app.mjs"], { cwd: folder, env, encoding: "utf8" });
  expect([unset.status, unset.stderr]).toEqual([
    1,
    expect.stringMatching(/- keys is missing: .*psession keys generate/),
  ]);

  const [program, ...values] = started.trim().split(" ");
  expect([program, values.at(-1)]).toEqual(["node", "app.mjs"]);
  const client = await startApp("app.mjs", folder, [process.execPath, ...values.slice(0, -1)], {
    env: { SESSION_KEYS: undefined },
  });
  const { text } = await client.get("/");
  expect(text).toContain('<input name="remember" type="checkbox">');
  const body = new URLSearchParams({
    email: /name="email" value="([^"]*)"/.exec(text)?.[1] ?? "",
    password: /password: "([^"]*)"/.exec(example)?.[1] ?? "",
    remember: "on",
  });
  expect((await client.request("/login", { method: "POST", body })).status).toBe(303);
  expect((await client.get("/")).text).toBe("Signed in: login");
  client.restart();
  expect((await client.get("/")).text).toBe("Signed in: remembered");
  expect((await client.get("/billing")).status).toBe(403);
});

test("the example of the README runs as it stands", async () => {
  await visitShop(await startExample("README.md"));
});

test("the cart of docs/carry.md comes along, and nobody gets another user's", async () => {
  const laptop = await startExample("docs/carry.md");
  const phone = new HttpClient(laptop.base);
  const login = async (client: HttpClient, name: string) => {
    const credentials = { email: `${name}@example.com`, password: "only for trying it out" };
    expect((await client.post("/login", credentials)).status).toBe(303);
    return (await client.get("/cart")).json;
  };
  await laptop.post("/cart", { item: "tea" });
  expect(await login(laptop, "ada")).toEqual(["tea"]);
  for (const item of ["milk", "tea"]) await phone.post("/cart", { item });
  expect(await login(phone, "ada")).toEqual(["milk", "tea"]);
  await laptop.post("/cart", { item: "bread" });
  const tablet = new HttpClient(laptop.base);
  await tablet.post("/cart", { item: "jam" });
  expect(await login(tablet, "ada")).toEqual(["tea", "bread", "jam"]);
  expect(await login(tablet, "bob")).toEqual([]);
  expect((await laptop.get("/cart")).json).toEqual(["tea", "bread"]);
});
