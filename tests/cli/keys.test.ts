import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { KEY, OLDER_KEY } from "../support/app.ts";
import { temporaryFolder } from "../support/temp.ts";
import { KINDS, type Place, place } from "./places.ts";
import { psession, psessionIn } from "./run.ts";

const NEW_KEY = /^\d{8}T\d{6}\.\d{3}Z\.[\w-]{43}$/;
const sqlite = () => place(KINDS["sqlite"] as never);

function envFile({ folder }: Place, text: string, mode = 0o600): string {
  const file = join(folder, ".env");
  writeFileSync(file, text, { mode });
  return file;
}

const keysIn = (file: string): string[] =>
  /SESSION_KEYS=["']?([^"'\n]*)/.exec(readFileSync(file, "utf8"))?.[1]?.split(",") ?? [];

test("generate prints a key to standard output, another one each time, and nothing else", async () => {
  const [first, second] = [await psession("keys", "generate"), await psession("keys", "generate")];
  expect(first).toMatchObject({ code: 0, stderr: "" });
  expect(first.stdout.trimEnd()).toMatch(NEW_KEY);
  expect(second.stdout).not.toBe(first.stdout);
  expect((await psession("keys", "generate", "--json")).json.key).toMatch(NEW_KEY);
});

test("rotate prints the new key, and says when the older ones may go", async () => {
  const { run } = await sqlite();
  const ran = await run("keys", "rotate");
  expect(ran.stdout.trimEnd()).toMatch(NEW_KEY);
  expect(ran.stderr).toContain("in front of the others");
  // Thirty days after the clock's first of January: remember.absolute.
  expect(ran.stderr).toContain("From 2030-01-31 00:00:00Z on");
  expect(ran.stderr).toContain("Then drop all keys but the first");
  expect(ran.stdout + ran.stderr).not.toContain(KEY);
  const { json } = await run("keys", "rotate", "--json");
  expect(json).toEqual({
    key: expect.stringMatching(NEW_KEY),
    position: "first",
    olderUntil: Date.UTC(2030, 0, 31),
  });
});

test("rotate --file puts a key in front and shows none of them", async () => {
  const there = await sqlite();
  const before = `# ours\nexport OTHER="x"\nSESSION_KEYS="${KEY},${OLDER_KEY}"\nPORT=1\n`;
  const file = envFile(there, before);
  const ran = await there.run("keys", "rotate", "--file", ".env");
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining("SESSION_KEYS in .env has 3 keys") });
  const [fresh = "", ...others] = keysIn(file);
  expect(fresh).toMatch(NEW_KEY);
  expect(others).toEqual([KEY, OLDER_KEY]);
  expect(readFileSync(file, "utf8").replace(`${fresh},`, "")).toBe(before);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  for (const key of [fresh, KEY, OLDER_KEY]) expect(ran.stdout + ran.stderr).not.toContain(key);
});

test("in two steps: known everywhere first, then signing", async () => {
  const there = await sqlite();
  const file = envFile(there, `SESSION_KEYS=${KEY}\n`);
  const known = await there.run("keys", "rotate", "--file", ".env", "--at-end");
  expect(known.stderr).toContain("let it sign: psession keys rotate --promote");
  const [first, fresh] = keysIn(file);
  expect(first).toBe(KEY);
  const { json } = await there.run("keys", "rotate", "--file", ".env", "--promote", "--json");
  expect(json).toEqual({
    file: ".env",
    variable: "SESSION_KEYS",
    keys: 2,
    changed: true,
    position: "first",
    olderUntil: Date.UTC(2030, 0, 31),
  });
  expect(keysIn(file)).toEqual([fresh, KEY]);
});

test("either step may be repeated: no key comes in front twice, and none is added while one does not sign yet", async () => {
  const there = await sqlite();
  const file = envFile(there, `SESSION_KEYS=${KEY}\n`);
  const rotate = (...values: string[]) => there.run("keys", "rotate", "--file", ".env", ...values);
  await rotate("--at-end");
  const text = readFileSync(file, "utf8");
  expect(await rotate("--at-end", "--json")).toMatchObject({ json: { keys: 2, changed: false } });
  expect(readFileSync(file, "utf8")).toBe(text);
  const [older, fresh] = keysIn(file);
  for (const changed of [true, false, false]) {
    expect(await rotate("--promote", "--json")).toMatchObject({ code: 0, json: { keys: 2, changed } });
    expect(keysIn(file)).toEqual([fresh, older]);
  }
  await rotate("--at-end");
  await rotate("--promote");
  expect(keysIn(file).slice(1)).toEqual([fresh, older]);
});

test("rotate --file takes the keys of the configuration from that file", async () => {
  const there = await sqlite();
  const file = envFile(there, `SESSION_KEYS=${KEY}\n`);
  const env = { SESSION_KEYS: undefined };
  const ran = await psessionIn({ cwd: there.folder, env }, "keys", "rotate", "--file", ".env");
  expect(ran).toMatchObject({ code: 0 });
  expect(keysIn(file)).toEqual([expect.stringMatching(NEW_KEY), KEY]);
});

test("a file of variables keeps its owner and its mode", async () => {
  const there = await sqlite();
  const file = envFile(there, `SESSION_KEYS=${KEY}\n`);
  chmodSync(file, 0o664);
  // Only root can give a file away; for everybody else there is nothing to keep.
  const [uid, gid] = process.getuid?.() === 0 ? [1234, 2345] : [statSync(file).uid, statSync(file).gid];
  chownSync(file, uid, gid);
  await there.run("keys", "rotate", "--file", ".env");
  const found = statSync(file);
  expect([found.uid, found.gid, found.mode & 0o7777]).toEqual([uid, gid, 0o664]);
  expect(keysIn(file)).toHaveLength(2);
});

test("rotate --file leaves alone what it does not understand, and what git tracks", async () => {
  const there = await sqlite();
  const file = envFile(there, `OTHER=${KEY}\n`);
  const refusals: [string, string[], RegExp][] = [
    [`OTHER=${KEY}\n`, [], /no line of the form SESSION_KEYS=/],
    [`SESSION_KEYS=${KEY}\nSESSION_KEYS=${OLDER_KEY}\n`, [], /more than one line/],
    [`SESSION_KEYS=${KEY}\n`, ["--promote"], /No key of SESSION_KEYS in \.env says when it was made/],
  ];
  for (const [text, values, reason] of refusals) {
    writeFileSync(file, text);
    const ran = await there.run("keys", "rotate", "--file", ".env", ...values);
    expect(ran).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(reason) });
    expect(ran.stderr).not.toContain(KEY);
    expect(readFileSync(file, "utf8")).toBe(text);
  }
  expect(await there.run("keys", "rotate", "--file", join(temporaryFolder(), "none"))).toMatchObject({
    code: 1,
  });
  expect(await there.run("keys", "rotate", "--promote")).toMatchObject({ code: 2 });
  const git = (...values: string[]) => execFileSync("git", values, { cwd: there.folder, stdio: "ignore" });
  git("init");
  git("add", "--force", ".env");
  const tracked = await there.run("keys", "rotate", "--file", ".env");
  expect(tracked).toMatchObject({ code: 1, stderr: expect.stringContaining("tracked by git") });
});
