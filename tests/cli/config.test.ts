import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { KEY, OLDER_KEY } from "../support/app.ts";
import { folderForApp } from "../support/shop.ts";
import { temporaryFolder } from "../support/temp.ts";
import { KINDS, place, signIn } from "./places.ts";
import { psessionIn } from "./run.ts";

const sqlite = () => place(KINDS["sqlite"] as never);

describe("the configuration", () => {
  test("is found by its name, or by --config", async () => {
    const { run, configure } = await sqlite();
    expect(await run("sessions")).toMatchObject({ code: 0 });
    configure({ file: "other.mjs", before: 'console.log("other");' });
    expect((await run("sessions", "--config", "other.mjs")).stdout).toContain("other");
    const typed = await sqlite();
    typed.configure({ file: "psession.config.ts", before: "const typed: number = 1; void typed;" });
    expect(await typed.run("sessions", "--config", "psession.config.ts")).toMatchObject({ code: 0 });
  });

  test("may export the service itself", async () => {
    const { run, configure, folder, app } = await sqlite();
    const handle = await signIn(app, "ada");
    configure({
      file: "options.mjs",
      options: 'encryption: { keys: ["hTf7Kq2Zx9Mb4Wd8Ls3Yv6Rc1Np5Jg0Q"], acceptPlainText: true },',
    });
    writeFileSync(
      join(folder, "psession.config.mjs"),
      `import { createPsession } from "psession"; import options from "./options.mjs"; export default createPsession(options);`,
    );
    expect((await run("users", "ada", "--json")).json.devices).toMatchObject([{ handle }]);
    expect((await run("revoke", "--yes", "--", handle)).stdout).toBe("Ended 1 device.\n");
    expect((await run("migrate")).stdout).toContain("Nothing to do");
    expect((await run("stats", "--json")).json).toMatchObject({ signedIn: 0 });
  });

  test("may give its options when it is asked, as a function or by a service", async () => {
    const { run, configure, folder, app } = await sqlite();
    const handle = await signIn(app, "ada");
    configure({ file: "options.mjs" });
    const write = (code: string) => writeFileSync(join(folder, "psession.config.mjs"), code);
    const importing = 'import options from "./options.mjs"; import { createPsession } from "psession"; ';
    for (const code of [
      `${importing} export default () => options;`,
      `${importing} export default createPsession(() => options);`,
    ]) {
      write(code);
      expect((await run("users", "ada", "--json")).json.devices).toMatchObject([{ handle }]);
      expect((await run("keys", "rotate", "--json")).json.key).toBeDefined();
    }
    write('export default () => { throw new Error("no database today"); };');
    expect(await run("users", "ada")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/psession\.config\.mjs gave no options: no database today/),
    });
  });

  test("takes its variables from a file, but not those that are set", async () => {
    const { folder } = await sqlite();
    writeFileSync(join(folder, ".env"), `SESSION_KEYS=${OLDER_KEY}\nNOW=1\n`);
    const env = { SESSION_KEYS: undefined, NOW: "1893456000000" };
    const without = await psessionIn({ cwd: folder, env }, "keys", "rotate");
    expect(without).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("keys is missing"),
    });
    const ran = await psessionIn({ cwd: folder, env }, "keys", "rotate", "--env", ".env");
    expect(ran.stderr).toContain("From 2030-01-31");
    const lacking = await psessionIn({ cwd: folder, env }, "sessions", "--env", "lacking.env");
    expect(lacking).toMatchObject({ code: 1, stderr: expect.stringContaining("lacking.env cannot be read") });
  });

  const WRONG: [string, string | undefined, RegExp][] = [
    ["is missing", undefined, /There is no psession\.config\.js in .*psession init writes one/],
    ["does not parse", "export default {", /psession\.config\.mjs could not be loaded: /],
    ["throws", 'throw new Error("no database today")', /could not be loaded: no database today/],
    ["exports nothing", "export const store = 1;", /has no default export.*export default \{ store, keys/],
    ["exports no store", "export default { keys: [] };", /exports no store/],
    [
      "says what doctor does not know",
      'import { memoryStore } from "psession/memory"; export default { store: memoryStore() }; export const deployment = { proxy: true, policy: "aal9" };',
      /deployment cannot start:\n- policy must be "aal1", "aal2" or "aal3"\n- proxy is no option/,
    ],
  ];
  for (const [how, text, reason] of WRONG) {
    test(`that ${how} is reported in a sentence`, async () => {
      const folder = text?.includes("psession/") ? folderForApp() : temporaryFolder();
      if (text !== undefined) writeFileSync(join(folder, "psession.config.mjs"), text);
      const ran = await psessionIn({ cwd: folder, env: { SESSION_KEYS: KEY } }, "doctor");
      expect(ran).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(reason) });
      expect(ran.stderr).not.toMatch(/^ +at /m);
    });
  }
});

test("every command reports a Node that is too old in a sentence", async () => {
  const older = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "22.12.9" } })`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(older)}`;
  expect(await psessionIn({ env: { NODE_OPTIONS } }, "doctor")).toMatchObject({
    code: 1,
    stdout: "",
    stderr: "psession needs Node 22.13 or later; this is Node 22.12.9.\n",
  });
});
