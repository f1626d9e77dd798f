import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { FRAMEWORKS } from "../../src/cli/init/frameworks/index.ts";
import { newProject } from "../support/project.ts";
import { binariesNeed } from "../support/servers/binaries.ts";
import { whenDone } from "../support/servers/cleanup.ts";
import { freshDatabase, freshSchema } from "../support/servers/fresh.ts";
import { freePort } from "../support/servers/ports.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";
import { startRedis } from "../support/servers/redis.ts";
import { ROOT } from "../support/shop.ts";
import { Visitor } from "../support/visitor.ts";
import { psessionIn, type Ran } from "./run.ts";

/** Nothing but what the steps themselves say. */
const BARE = { NODE_ENV: undefined, SESSION_KEYS: undefined, SESSION_SECRET: undefined } as const;
const WARNINGS = "warnings.txt";
const CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/149.0.0.0 Safari/537.36";

interface Case {
  readonly store: string;
  readonly framework: string;
  /** Empty where the store has no such place. */
  readonly address?: string;
  readonly flags?: readonly string[];
  /** The package.json, if it is not npm's own. */
  readonly manifest?: object | undefined;
}

/** `psession init` in a new project, and then what it says, step by step; the last one is the application. */
async function follow({ store, framework, address = "", flags = [], manifest }: Case) {
  const folder = newProject(manifest);
  const chosen = ["--store", store, "--framework", framework, ...flags];
  const { stdout, code } = await psessionIn({ cwd: folder, env: BARE }, "init", "--yes", ...chosen);
  expect(code).toBe(0);
  if (address !== "") putAddress(folder, stdout, address);
  const steps = stdout.split("\n").flatMap((line) => (line.startsWith("  ") ? [line.trim()] : []));
  const [, file = ""] = /^node --env-file=\.env (\S+)$/.exec(steps.pop() ?? "") ?? [];
  for (const step of steps) expect(await typed(step, folder), step).toMatchObject({ code: 0 });
  return { folder, stdout, steps, file, start: (env = {}) => start(folder, file, env) };
}

/** Where a line of .env is to be changed by hand, the output says so. */
function putAddress(folder: string, stdout: string, address: string): void {
  const [, line = ""] =
    /into \.env, in place of (\S+)/.exec(stdout) ?? /(REDIS_URL=\S+)/.exec(env(folder)) ?? [];
  const [name] = line.split("=");
  expect(env(folder)).toContain(`\n${line}\n`);
  writeFileSync(
    join(folder, ".env"),
    env(folder).replace(line, () => `${name}=${address}`),
  );
}

const env = (folder: string) => readFileSync(join(folder, ".env"), "utf8");

async function typed(step: string, cwd: string): Promise<Ran | { code: number }> {
  const [first, ...rest] = step.split(" ");
  const [program = "", ...values] = first === "npx" ? rest : [];
  if (program === "psession") return psessionIn({ cwd, env: BARE }, ...values);
  if (program !== "tsc") throw new Error(`Nobody knows how to type "${step}"`);
  const options = { cwd, env: { ...process.env, ...BARE } };
  await promisify(execFile)(
    process.execPath,
    [join(ROOT, "node_modules/typescript/bin/tsc"), ...values],
    options,
  );
  return { code: 0 };
}

/** Gives the address that the application prints when it listens. */
async function start(folder: string, file: string, more: Record<string, string> = {}): Promise<string> {
  const port = await freePort();
  const child = spawn(process.execPath, ["--env-file=.env", file], {
    cwd: folder,
    env: { ...process.env, ...BARE, PORT: String(port), NODE_REDIRECT_WARNINGS: WARNINGS, ...more },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill();
    // It closes its store, and whatever else would keep the process.
    expect(await ended).toEqual([0, null]);
  });
  const { value = "" } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  expect(value).toBe(`http://localhost:${port}`);
  return value;
}

const credentials = (stdout: string) => {
  const [, email = "", password = ""] = /sign in as (\S+) with the password "(.*?)"/.exec(stdout) ?? [];
  return { email, password };
};

/** Everything that the pages offer, as somebody does who tries them out. */
async function tryOut(
  base: string,
  { email, password }: { email: string; password: string },
): Promise<Visitor> {
  const ada = new Visitor(base);
  await ada.open("/");
  expect(ada.text("level")).toBe("anonymous");
  await ada.submit("/cart", { item: `<i>"tea" & 'milk'</i>` });
  expect(ada.text("cart")).toBe(`<i>"tea" & 'milk'</i>`);
  expect(ada.page.html).not.toContain("<i>");

  // A page for the signed-in leads to the form, and the form back to the page.
  await ada.open("/billing");
  expect(ada.page).toMatchObject({ path: "/sign-in?next=%2Fbilling", status: 200 });
  await ada.submit("/sign-in", { email, password: "wrong" });
  expect(ada.page).toMatchObject({ status: 401, html: expect.stringContaining("Wrong email or password.") });
  await ada.submit("/sign-in", { email, password, remember: "on" });
  expect(ada.page).toMatchObject({ path: "/billing", status: 200 });
  await ada.open("/");
  expect([ada.text("level"), ada.text("cart")]).toEqual(["login", `<i>"tea" & 'milk'</i>`]);

  // Without the tick the browser forgets, and a form never leads to another site.
  const other = new Visitor(base, CHROME);
  await other.open("/sign-in?next=//evil.example/");
  await other.submit("/sign-in", { email, password });
  expect([other.page.path, other.text("level")]).toEqual(["/", "login"]);
  other.restart();
  await other.open("/");
  expect(other.text("level")).toBe("anonymous");

  await other.open("/sign-in");
  await other.submit("/sign-in", { email, password, remember: "on" });
  await ada.open("/devices");
  expect(ada.text("devices")).toMatch(/Firefox.*, remembered.*This device/s);
  expect(ada.text("devices")).toMatch(/Chrome.*, remembered/s);
  const count = ada.forms.length;
  await ada.submit("/devices/end", {}, ({ fields }) => fields["handle"] !== undefined);
  expect([ada.page.path, ada.forms.length]).toEqual(["/devices", count - 1]);
  await ada.submit("/devices/end-others");
  expect([ada.page.path, ada.forms.length]).toEqual(["/devices", 1]);
  await other.open("/");
  expect(other.text("level")).toBe("anonymous");

  // Back after the browser was closed, and asked for the password where that matters.
  ada.restart();
  await ada.open("/");
  expect([ada.text("level"), ada.text("cart")]).toEqual(["remembered", `<i>"tea" & 'milk'</i>`]);
  await ada.open("/billing");
  expect(ada.page).toMatchObject({ path: "/confirm?next=%2Fbilling", status: 200 });
  await ada.submit("/confirm", { password: "wrong" });
  expect(ada.page).toMatchObject({ status: 403, html: expect.stringContaining("Wrong password.") });
  await ada.submit("/confirm", { password });
  expect(ada.page).toMatchObject({ path: "/billing", status: 200 });
  await ada.open("/");
  expect(ada.text("level")).toBe("login");
  return ada;
}

async function signOut(ada: Visitor): Promise<void> {
  const foreign = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
  const forged = await ada.client.request("/sign-out", { method: "POST", headers: foreign });
  expect(forged.status).toBe(403);
  await ada.open("/");
  await ada.submit("/sign-out");
  expect([ada.page.path, ada.text("level"), ada.text("cart")]).toEqual(["/", "anonymous", ""]);
  ada.restart();
  await ada.open("/");
  expect(ada.text("level")).toBe("anonymous");
}

const STORES = [
  { store: "sqlite", needs: [], address: async () => "" },
  { store: "postgres", needs: [POSTGRES], address: async () => (await freshSchema()).url },
  { store: "mysql", needs: [MYSQL], address: async () => (await freshDatabase()).url },
  { store: "redis", needs: [binariesNeed("redis", "redis-server")], address: redisAddress },
];

async function redisAddress(): Promise<string> {
  const server = await startRedis();
  whenDone(() => server.stop());
  return server.url;
}

interface InTypeScript {
  readonly store: string;
  readonly ids: readonly string[];
  readonly manifest?: object;
}

/** Each framework once, and each store; ids of each kind; packages of both kinds of modules. */
const TYPESCRIPT: Readonly<Record<string, InTypeScript>> = {
  express: { store: "postgres", ids: ["--user-ids", "uuid"] },
  fastify: { store: "mysql", ids: ["--user-ids", "integer"] },
  koa: { store: "redis", ids: [] },
  hono: { store: "sqlite", ids: ["--user-ids", "any"], manifest: { type: "module" } },
  node: { store: "postgres", ids: ["--user-ids", "integer"], manifest: { type: "module" } },
};

for (const { store, needs, address } of STORES) {
  describeWith(needs, `what init says, for ${store}`, () => {
    for (const framework of Object.keys(FRAMEWORKS)) {
      test(`and ${framework}, leads to a sign-in that is remembered`, async () => {
        const { folder, stdout, start } = await follow({ store, framework, address: await address() });
        const ada = await tryOut(await start(), credentials(stdout));
        await signOut(ada);
        const warnings = readFileSync(join(folder, WARNINGS), "utf8");
        expect(warnings.match(/\[\w+\]|\w+Warning/g)).toEqual(["[PSESSION_INSECURE_HTTP]"]);
      });
    }

    for (const [framework, { ids, manifest, ...one }] of Object.entries(TYPESCRIPT)) {
      if (one.store !== store) continue;
      test(`and ${framework}, in TypeScript, compiles and leads there as well`, async () => {
        const flags = ["--typescript", ...ids];
        const { steps, file, stdout, start } = await follow({
          store,
          framework,
          address: await address(),
          flags,
          manifest,
        });
        expect([steps, file]).toEqual([
          expect.arrayContaining(["npx tsc --noEmit"]),
          manifest === undefined ? "app.mts" : "app.ts",
        ]);
        await signOut(await tryOut(await start(), credentials(stdout)));
      });
    }
  });
}

test("every framework is tried in TypeScript", () => {
  expect(Object.keys(TYPESCRIPT)).toEqual(Object.keys(FRAMEWORKS));
});

describe("the application", () => {
  test("knows a browser that comes back after another start, and then gives it a new token", async () => {
    // As docs/cli.md begins: the tables make themselves.
    const folder = newProject();
    const { stdout } = await psessionIn({ cwd: folder, env: BARE }, "init", "--yes");
    const ada = await tryOut(await start(folder, "app.mjs"), credentials(stdout));
    const token = ada.client.jar.get("psession-remember");
    const later = `const { now } = Date; Date.now = () => now() + ${3 * 60_000};`;
    const base = await start(folder, "app.mjs", {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(later)}`,
    });
    const again = new Visitor(base);
    again.client.jar = ada.client.jar;
    again.restart();
    await again.open("/");
    expect(again.text("level")).toBe("remembered");
    expect(ada.client.jar.get("psession-remember")).not.toEqual(token);
  });

  test("refuses to start for users with the demo user in it, or over plain http", async () => {
    const { folder } = await follow({ store: "sqlite", framework: "node" });
    const run = async (more: object) => {
      const options = { cwd: folder, env: { ...process.env, ...BARE, NODE_ENV: "production", ...more } };
      const ran = await promisify(execFile)(process.execPath, ["--env-file=.env", "app.mjs"], options).catch(
        (error: { stderr: string }) => error,
      );
      return ran.stderr;
    };
    expect(await run({})).toContain("app.mjs: replace the demo user first");
    const app = readFileSync(join(folder, "app.mjs"), "utf8");
    writeFileSync(join(folder, "app.mjs"), app.replace(/^if \(process\.env\.NODE_ENV.*$/m, ""));
    expect(await run({})).toContain("dangerouslyAllowInsecureHttp is refused in production");
  });
});
