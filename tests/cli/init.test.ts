import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { KEY } from "../support/app.ts";
import { newProject } from "../support/project.ts";
import { temporaryFolder } from "../support/temp.ts";
import { psessionIn } from "./run.ts";
import { CTRL_C, DOWN, ENTER, Terminal } from "./terminal.ts";

const CONFIG = "psession.config.mjs";
const read = (folder: string, name = CONFIG) => readFileSync(join(folder, name), "utf8");
const modeOf = (folder: string, name: string) => statSync(join(folder, name)).mode & 0o777;
const git = (folder: string, ...values: string[]) =>
  execFileSync("git", ["-C", folder, ...values], { encoding: "utf8" });
const keyIn = (folder: string) => /^SESSION_KEYS=(.*)$/m.exec(read(folder, ".env"))?.[1] ?? "";

/** `psession init --yes`, which is to succeed. */
async function init(cwd: string, ...flags: string[]) {
  const ran = await psessionIn({ cwd }, "init", "--yes", ...flags);
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  return ran;
}

describe("psession init without a terminal", () => {
  test("in an empty folder, writes what npm's own defaults can run, and says what to type", async () => {
    const folder = temporaryFolder();
    execFileSync("npm", ["init", "-y"], { cwd: folder });
    const { stdout } = await init(folder);
    expect(readdirSync(folder).sort()).toEqual([".env", ".gitignore", "app.mjs", "package.json", CONFIG]);
    expect(stdout).toMatch(
      /^Wrote psession\.config\.mjs, app\.mjs and \.env\. Added \.env and sessions\.sqlite\* to \.gitignore\.\n/,
    );
    expect(stdout.match(/^ {2}.*$/gm)).toEqual([
      "  npm install psession express",
      "  npx psession migrate --env .env",
      "  npx psession doctor --env .env",
      "  node --env-file=.env app.mjs",
    ]);
  });

  test("names the packages to install, except those that are there", async () => {
    const chosen = ["--store", "postgres", "--framework", "koa", "--typescript"];
    const { stdout } = await init(temporaryFolder(), ...chosen);
    expect(stdout.match(/^ {2}.*$/gm)?.slice(0, 3)).toEqual([
      "  npm install psession pg koa @koa/router @koa/bodyparser",
      "  npm install --save-dev typescript @types/node @types/pg @types/koa",
      "  npx tsc --noEmit",
    ]);
    expect((await init(newProject(), ...chosen)).stdout).not.toContain("npm install");
  });

  test("answers as JSON", async () => {
    const folder = newProject();
    const { json } = await init(folder, "--json", "--store", "mysql", "--framework", "hono");
    expect(json).toEqual({
      files: [CONFIG, "app.mjs", ".env"].map((name) => join(folder, name)),
      store: "mysql",
      userIds: "text",
      framework: "hono",
      typescript: false,
      packages: ["psession", "mysql2", "hono", "@hono/node-server"],
      typePackages: [],
      env: join(folder, ".env"),
      steps: [
        "npx psession migrate --env .env",
        "npx psession doctor --env .env",
        "node --env-file=.env app.mjs",
      ],
    });
  });

  test("says in the configuration what user ids are", async () => {
    const kindOf = async (...flags: string[]) => {
      const folder = newProject();
      const ran = await psessionIn({ cwd: folder }, "init", "--yes", ...flags);
      return ran.code === 0 ? /userIds: "(\w+)"/.exec(read(folder))?.[1] : ran;
    };
    expect(await kindOf("--store", "sqlite")).toBe("any");
    expect(await kindOf("--store", "mysql")).toBe("text");
    expect(await kindOf("--store", "redis")).toBeUndefined();
    expect(await kindOf("--store", "postgres", "--user-ids", "uuid")).toBe("uuid");
    expect(await kindOf("--user-ids", "integer")).toBe("integer");
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

  test("requires a flag for each question that it cannot ask", async () => {
    const cwd = temporaryFolder();
    const flags: string[] = [];
    for (const [more, missing] of [
      [[], "say --store, or --yes"],
      [["--store", "sqlite"], "say --framework, or --yes"],
      [["--framework", "express"], "say --typescript, --no-typescript, or --yes"],
      [["--no-typescript"], "say --no-env, or --yes"],
    ] as const) {
      flags.push(...more);
      const ran = await psessionIn({ cwd }, "init", ...flags);
      expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining(missing) });
    }
    expect(await psessionIn({ cwd }, "init", "--store", "oracle")).toMatchObject({ code: 2 });
    expect(readdirSync(cwd)).toEqual([]);
    expect(await psessionIn({ cwd }, "init", ...flags, "--no-env")).toMatchObject({ code: 0 });
  });

  test("gives files the endings that Node takes for ES modules and TypeScript", async () => {
    const written = async (manifest: object | undefined, ...flags: string[]) => {
      const folder = manifest === undefined ? temporaryFolder() : newProject(manifest);
      const { json } = await init(folder, "--no-env", "--json", ...flags);
      return json.files.map((file: string) => file.slice(folder.length + 1));
    };
    expect(await written({ type: "module" })).toEqual(["psession.config.js", "app.js"]);
    expect(await written({})).toEqual(["psession.config.mjs", "app.mjs"]);
    expect(await written(undefined)).toEqual(["psession.config.mjs", "app.mjs"]);
    const typed = ["psession.config.ts", "app.ts", "tsconfig.json"];
    expect(await written({ type: "module" }, "--typescript")).toEqual(typed);
    expect(await written({}, "--typescript")).toEqual(typed.map((name) => name.replace(".ts", ".mts")));
  });

  test("writes TypeScript where there is a tsconfig.json, which it leaves alone", async () => {
    const folder = newProject();
    writeFileSync(join(folder, "tsconfig.json"), "{}");
    const { stdout } = await init(folder);
    expect(existsSync(join(folder, "app.mts"))).toBe(true);
    expect(read(folder, "tsconfig.json")).toBe("{}");
    expect(stdout).toContain('tsconfig.json needs "allowImportingTsExtensions"');
    const plain = newProject();
    writeFileSync(join(plain, "tsconfig.json"), "{}");
    await init(plain, "--no-typescript");
    expect(existsSync(join(plain, "app.mjs"))).toBe(true);
  });

  test("leaves existing files alone, all or none, unless it is forced", async () => {
    for (const mine of [CONFIG, "app.mjs"]) {
      const folder = newProject();
      writeFileSync(join(folder, mine), "mine");
      const before = readdirSync(folder);
      expect(await psessionIn({ cwd: folder }, "init", "--yes")).toMatchObject({
        code: 1,
        stdout: "",
        stderr: expect.stringContaining(`${mine} is there already, and was left alone. --force`),
      });
      expect([read(folder, mine), readdirSync(folder)]).toEqual(["mine", before]);
      await init(folder, "--force");
      expect(read(folder, mine)).toContain('from "psession";');
    }
  });

  test("writes the application where --app says", async () => {
    const folder = newProject();
    writeFileSync(join(folder, "app.mjs"), "mine");
    const { stdout } = await init(folder, "--app", "src/web/sign-in.mjs");
    expect(read(folder, "app.mjs")).toBe("mine");
    expect(read(folder, "src/web/sign-in.mjs")).toContain(`import config from "../../${CONFIG}";`);
    expect(stdout).toContain("\n  node --env-file=.env src/web/sign-in.mjs\n");
    const wrong = await psessionIn({ cwd: newProject() }, "init", "--yes", "--app", "app.js");
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("has to end in .mjs") });
  });

  test("does not write a second configuration, of which commands would read the other", async () => {
    const folder = newProject();
    writeFileSync(join(folder, CONFIG), "mine");
    const ran = await psessionIn({ cwd: folder }, "init", "--yes", "--force", "--typescript");
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining(`${CONFIG} is there already`) });
    expect(existsSync(join(folder, "psession.config.mts"))).toBe(false);
  });
});

describe("the .env of psession init", () => {
  test("has a new key that only its owner can read, and that is not printed", async () => {
    const folder = newProject();
    const { stdout } = await init(folder);
    expect(modeOf(folder, ".env")).toBe(0o600);
    expect(keyIn(folder)).toMatch(/^\d{8}T\d{6}\.\d{3}Z\.[\w-]{43}$/);
    for (const text of [stdout, read(folder), read(folder, "app.mjs")])
      expect(text).not.toContain(keyIn(folder));
    const other = newProject();
    await init(other);
    expect(keyIn(other)).not.toBe(keyIn(folder));
  });

  test("is kept out of git, also where the repository is yet to come", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, ".gitignore"), "node_modules");
    await init(folder);
    expect(read(folder, ".gitignore")).toBe("node_modules\n.env\nsessions.sqlite*\n");
    git(folder, "init", "--quiet");
    expect(git(folder, "status", "--porcelain")).not.toContain(".env");
    const ignoring = temporaryFolder();
    git(ignoring, "init", "--quiet");
    writeFileSync(join(ignoring, ".gitignore"), ".env*\n*.sqlite\n");
    await init(ignoring);
    expect(read(ignoring, ".gitignore")).toBe(".env*\n*.sqlite\n");
  });

  test("keeps what was in it: what is missing is added, and a key never replaced", async () => {
    const folder = newProject();
    writeFileSync(join(folder, ".env"), `MAIL=x\nexport SESSION_KEYS=${KEY}`);
    chmodSync(join(folder, ".env"), 0o640);
    const { stdout } = await init(folder, "--store", "postgres", "--force");
    expect(stdout).toContain("Added PSESSION_INSECURE_HTTP and DATABASE_URL to .env.");
    expect(modeOf(folder, ".env")).toBe(0o640);
    const text = read(folder, ".env");
    expect(text.split("\n").filter((line) => !line.startsWith("#"))).toEqual([
      "MAIL=x",
      `export SESSION_KEYS=${KEY}`,
      "PSESSION_INSECURE_HTTP=1",
      "DATABASE_URL=postgres://user:password@localhost:5432/database",
      "",
    ]);
    await init(folder, "--store", "postgres", "--force");
    expect(read(folder, ".env")).toBe(text);
  });

  test("is left alone where git tracks it", async () => {
    const folder = temporaryFolder();
    git(folder, "init", "--quiet");
    writeFileSync(join(folder, ".env"), "MAIL=x\n");
    git(folder, "add", ".env");
    const { stdout } = await init(folder);
    expect(read(folder, ".env")).toBe("MAIL=x\n");
    expect(stdout).toContain(".env is tracked by git, so no key was written there.");
    expect(stdout).toContain("- SESSION_KEYS: ");
  });

  test("is not written if declined, and the variables are named instead", async () => {
    const folder = temporaryFolder();
    const { stdout } = await init(folder, "--no-env", "--store", "redis", "--framework", "node");
    expect(readdirSync(folder).sort()).toEqual(["app.mjs", CONFIG]);
    expect(stdout.match(/^- \w+/gm)).toEqual(["- SESSION_KEYS", "- PSESSION_INSECURE_HTTP", "- REDIS_URL"]);
    expect(stdout.match(/^ {2}.*$/gm)?.slice(1)).toEqual(["  npx psession doctor", "  node app.mjs"]);
  });
});

describe("the configuration of psession init", () => {
  test("has cookies for https only, unless plain http is asked for", async () => {
    const folder = newProject();
    await init(folder, "--no-env");
    const key = randomBytes(32).toString("base64url");
    const found = async (variables: Record<string, string | undefined>) => {
      const env = { SESSION_KEYS: key, NODE_ENV: undefined, ...variables };
      const { json } = await psessionIn({ cwd: folder, env }, "doctor", "--json");
      return json.findings.map((one: { code: string }) => one.code);
    };
    expect(await found({})).toEqual([]);
    expect(await found({ NODE_ENV: "development" })).toEqual([]);
    expect(await found({ PSESSION_INSECURE_HTTP: "0" })).toEqual([]);
    expect(await found({ PSESSION_INSECURE_HTTP: "1" })).toEqual(["cookies_insecure"]);
    expect(await found({ NODE_ENV: "production" })).toEqual(["proxy_not_seen"]);
    const refused = await found({ PSESSION_INSECURE_HTTP: "1", NODE_ENV: "production" });
    expect(refused).toContain("options_invalid");
  });
});

describe("psession init at a terminal", () => {
  test("asks for store, user ids, framework, TypeScript and .env", async () => {
    const folder = newProject();
    const terminal = new Terminal();
    const done = terminal.run(folder, "init");
    await terminal.press(DOWN + ENTER, "Where are sessions to be kept?");
    await terminal.press(DOWN + ENTER, "What are the ids of your users?");
    await terminal.press(ENTER, "What is the application made with?");
    await terminal.press("y", "Do you write TypeScript?");
    await terminal.press(ENTER, "Write SESSION_KEYS, PSESSION_INSECURE_HTTP, DATABASE_URL into .env");
    expect(await done).toBe(0);
    expect(read(folder, "psession.config.mts")).toMatch(/postgresStore\(.*, userIds: "integer" \}\)/);
    expect(read(folder, "app.mts")).toMatch(/^import express from "express";/);
    expect(terminal.answer).toContain(
      "Put the address of your database into .env, in place of DATABASE_URL=",
    );
  });

  test("takes no for an answer to each of them", async () => {
    const folder = newProject();
    writeFileSync(join(folder, "tsconfig.json"), "{}");
    const terminal = new Terminal();
    const done = terminal.run(folder, "init", "--store", "sqlite", "--framework", "express");
    await terminal.press("n", "Do you write TypeScript?");
    await terminal.press("n", "into .env");
    expect(await done).toBe(0);
    expect(existsSync(join(folder, "app.mjs"))).toBe(true);
    expect(existsSync(join(folder, ".env"))).toBe(false);
    expect(terminal.answer).toContain("- SESSION_KEYS: ");
  });

  test("asks before it replaces, and takes no for an answer", async () => {
    const folder = newProject();
    writeFileSync(join(folder, CONFIG), "mine");
    writeFileSync(join(folder, "app.mjs"), "mine");
    const flags = ["--store", "sqlite", "--framework", "express", "--no-typescript", "--no-env"];
    const refusing = new Terminal();
    const refused = refusing.run(folder, "init", ...flags);
    await refusing.press(ENTER, `${CONFIG} and app.mjs are there already. Replace them?`);
    expect(await refused).toBe(3);
    expect([read(folder), read(folder, "app.mjs")]).toEqual(["mine", "mine"]);
    const agreeing = new Terminal();
    const agreed = agreeing.run(folder, "init", ...flags);
    await agreeing.press("y", "are there already. Replace them?");
    expect(await agreed).toBe(0);
    expect(read(folder)).toContain("sqliteStore");
  });

  test("writes nothing where it is interrupted, at whichever question", async () => {
    const answers = [
      ["Where are sessions to be kept?", ENTER],
      ["What are the ids of your users?", ENTER],
      ["What is the application made with?", ENTER],
      ["Do you write TypeScript?", ENTER],
      ["into .env", ENTER],
    ] as const;
    const folder = newProject();
    const before = readdirSync(folder);
    for (let at = 0; at < answers.length; at++) {
      const terminal = new Terminal();
      const done = terminal.run(folder, "init");
      for (const [question, key] of answers.slice(0, at)) await terminal.press(key, question);
      await terminal.press(CTRL_C, answers[at]?.[0] ?? "");
      expect(await done).toBe(3);
      expect(readdirSync(folder)).toEqual(before);
    }
  });
});
