import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FRAMEWORKS } from "../../src/cli/templates.ts";
import { freshDatabase, freshSchema } from "../support/servers/fresh.ts";
import { describeWith, MYSQL, POSTGRES } from "../support/servers/reach.ts";
import { REDIS } from "../support/servers/redis.ts";
import { folderForApp, startApp } from "../support/shop.ts";
import { temporaryFolder } from "../support/temp.ts";
import { psession, psessionIn } from "./run.ts";
import { CTRL_C, DOWN, ENTER, Terminal } from "./terminal.ts";

const CONFIG = "psession.config.js";
const read = (folder: string, name = CONFIG) => readFileSync(join(folder, name), "utf8");

describe("psession init without a terminal", () => {
  test("writes the configuration and prints the code, and no secret", async () => {
    const folder = folderForApp();
    const ran = await psessionIn({ cwd: folder }, "init", "--store", "postgres", "--framework", "node");
    expect(ran.code).toBe(0);
    expect(read(folder)).toContain("postgresStore({ pool: new pg.Pool(");
    expect(ran.stdout).toMatch(/^import \{ createServer \} from "node:http";\n/);
    expect(ran.stdout).toContain(`import config from "./${CONFIG}";`);
    expect(ran.stderr).toContain("npm install psession pg");
    const json = (await psessionIn({ cwd: folderForApp() }, "init", "--yes", "--json")).json;
    expect(json).toMatchObject({
      store: "sqlite",
      framework: "express",
      packages: ["psession", "express"],
      userIds: "any",
    });
    expect(json.file).toMatch(/psession\.config\.js$/);
  });

  test("says in the configuration what user ids are", async () => {
    const kindOf = async (...flags: string[]) => {
      const folder = folderForApp();
      const ran = await psessionIn({ cwd: folder }, "init", "--framework", "node", ...flags);
      return ran.code === 0 ? /userIds: "(\w+)"/.exec(read(folder))?.[1] : ran;
    };
    expect(await kindOf("--store", "sqlite")).toBe("any");
    expect(await kindOf("--store", "mysql")).toBe("text");
    expect(await kindOf("--store", "redis")).toBeUndefined();
    expect(await kindOf("--store", "postgres", "--user-ids", "uuid")).toBe("uuid");
    expect(await kindOf("--yes", "--user-ids", "integer")).toBe("integer");
    for (const [store, kind, instead] of [
      ["postgres", "any", "text, integer, uuid"],
      ["redis", "integer", "leave it out"],
    ] as const) {
      expect(await kindOf("--store", store, "--user-ids", kind)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(instead),
      });
    }
  });

  test("asks for what it cannot ask", async () => {
    const cwd = temporaryFolder();
    const ran = await psessionIn({ cwd }, "init", "--store", "sqlite");
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining("say --framework, or --yes") });
    expect(await psession("init", "--store", "oracle")).toMatchObject({ code: 2 });
    expect(existsSync(join(cwd, CONFIG))).toBe(false);
  });

  test("leaves a configuration alone that is there, unless it is forced", async () => {
    const folder = folderForApp();
    writeFileSync(join(folder, CONFIG), "mine");
    const ran = await psessionIn({ cwd: folder }, "init", "--yes");
    expect(ran).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("was left alone. --force"),
    });
    expect(read(folder)).toBe("mine");
    expect(await psessionIn({ cwd: folder }, "init", "--yes", "--force")).toMatchObject({ code: 0 });
    expect(read(folder)).toContain("sqliteStore");
  });

  test("writes .mjs where a .js file is CommonJS", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "package.json"), "{}");
    const { stdout } = await psessionIn({ cwd: folder }, "init", "--yes");
    expect(existsSync(join(folder, "psession.config.mjs"))).toBe(true);
    expect(stdout).toContain('import config from "./psession.config.mjs";');
  });
});

describe("psession init at a terminal", () => {
  test("asks for store, user ids and framework", async () => {
    const folder = folderForApp();
    const terminal = new Terminal();
    const done = terminal.run(folder, "init");
    await terminal.press(DOWN + ENTER, "Where are sessions to be kept?");
    await terminal.press(DOWN + ENTER, "What are the ids of your users?");
    await terminal.press(ENTER, "What is the application made with?");
    expect(await done).toBe(0);
    expect(read(folder)).toMatch(/postgresStore\(.*, userIds: "integer" \}\)/);
    expect(terminal.answer).toMatch(/^import express from "express";/);
  });

  test("asks before it replaces, and takes no for an answer", async () => {
    const folder = folderForApp();
    writeFileSync(join(folder, CONFIG), "mine");
    const flags = ["--store", "sqlite", "--framework", "express"];
    const refusing = new Terminal();
    const refused = refusing.run(folder, "init", ...flags);
    await refusing.press(ENTER, "is there already. Replace it?");
    expect(await refused).toBe(3);
    expect(read(folder)).toBe("mine");
    const agreeing = new Terminal();
    const agreed = agreeing.run(folder, "init", ...flags);
    await agreeing.press("y", "is there already. Replace it?");
    expect(await agreed).toBe(0);
    expect(read(folder)).toContain("sqliteStore");
  });

  test("writes nothing where it is interrupted", async () => {
    const folder = folderForApp();
    const terminal = new Terminal();
    const done = terminal.run(folder, "init");
    await terminal.press(CTRL_C, "Where are sessions to be kept?");
    expect(await done).toBe(3);
    expect(existsSync(join(folder, CONFIG))).toBe(false);
  });
});

describe("what init writes", () => {
  const STORES = [
    { store: "sqlite", needs: [], env: async () => ({}) },
    { store: "postgres", needs: [POSTGRES], env: async () => ({ DATABASE_URL: (await freshSchema()).url }) },
    { store: "mysql", needs: [MYSQL], env: async () => ({ DATABASE_URL: (await freshDatabase()).url }) },
    { store: "redis", needs: [REDIS], env: async () => ({ REDIS_URL: REDIS.url }) },
  ];
  for (const { store, needs, env: variables } of STORES) {
    describeWith(needs, `for ${store}`, () => {
      test("is understood by the other commands", async () => {
        const folder = folderForApp();
        const env = { NODE_ENV: "production", ...(await variables()) };
        await psessionIn({ cwd: folder }, "init", "--store", store, "--framework", "express");
        const key = (await psession("keys", "generate")).stdout.trim();
        writeFileSync(join(folder, ".env"), `SESSION_KEYS=${key}\n`);
        const run = (...values: string[]) => psessionIn({ cwd: folder, env }, ...values, "--env", ".env");
        expect(await run("migrate")).toMatchObject({ code: 0 });
        const { json, code } = await run("doctor", "--json");
        expect(json.findings.map((one: { code: string }) => one.code)).toEqual(["proxy_not_seen"]);
        expect(code).toBe(0);
      });
    });
  }

  const { exports } = JSON.parse(read(join(import.meta.dirname, "../.."), "package.json"));
  for (const framework of Object.keys(FRAMEWORKS).filter((name) => `./${name}` in exports)) {
    test(`for ${framework} runs as it is printed`, async () => {
      const folder = folderForApp();
      const { stdout } = await psessionIn(
        { cwd: folder },
        "init",
        "--store",
        "sqlite",
        "--framework",
        framework,
      );
      const key = (await psession("keys", "generate")).stdout.trim();
      // The application is started without SESSION_KEYS.
      writeFileSync(join(folder, "app.mjs"), `${stdout}`);
      writeFileSync(
        join(folder, "start.mjs"),
        `process.env.SESSION_KEYS = "${key}"; await import("./app.mjs");`,
      );
      const client = await startApp(join(folder, "start.mjs"), folder);
      expect((await client.get("/")).json).toEqual({ level: "anonymous" });
    });
  }
});
