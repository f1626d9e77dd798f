import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cookieFindings } from "../../../src/cli/doctor/cookies.ts";
import { dangerouslyAllowInsecureHttp, memoryStore } from "../../../src/index.ts";
import { resolveOptions } from "../../../src/options/resolve.ts";
import { examined } from "./examined.ts";

const codes = (found: ReadonlyMap<string, unknown>) => [...found.keys()];

test("an application without findings gets one line", async () => {
  const { doctor } = await examined();
  expect(await doctor()).toMatchObject({ code: 0, stdout: "Nothing is wrong.\n", stderr: "" });
});

test("findings come with what to do, the worst first", async () => {
  const { doctor, configure, folder, key } = await examined();
  configure({ options: 'remember: { absolute: "60d" }, cookies: { session: "sid" },' });
  const { stdout, code } = await doctor(["--policy", "aal1"], { SESSION_KEYS: "short" });
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^error keys_short\n {2}keys\[0\] has 5 bytes of at least 32.*\n {2}Make one with `psession keys generate`/,
  );
  expect(stdout).toMatch(/\nwarning cookie_unprefixed\n.*\nwarning policy_exceeded\n/s);
  expect(stdout).toMatch(/\n1 error, 2 warnings, 0 notes\.\n$/);
  expect(stdout).not.toContain(key);
  expect(folder).toBeDefined();
});

describe("the runtime", () => {
  test("node_env", async () => {
    const { findings, configure } = await examined();
    configure({ deployment: "{ production: true }" });
    expect((await findings()).get("node_env")?.severity).toBe("warning");
    expect(codes(await findings([], { NODE_ENV: "production" }))).toEqual(["proxy_not_seen"]);
  });
});

describe("keys", () => {
  test("keys_missing", async () => {
    const { findings, configure } = await examined();
    const found = await findings([], { SESSION_KEYS: undefined });
    expect(codes(found)).toEqual(["keys_missing"]);
    expect(found.get("keys_missing")?.message).toContain("The option keys (is the environment variable set?");
    configure({ options: "keys: []," });
    expect(codes(await findings())).toEqual(["keys_missing"]);
    configure({ options: "keys: undefined," });
    expect(codes(await findings())).toEqual(["keys_missing"]);
    configure({ options: "keys: [7]," });
    expect(codes(await findings())).toEqual(["keys_missing"]);
  });

  test("keys_short", async () => {
    const { findings, configure } = await examined();
    const found = await findings([], { SESSION_KEYS: "only-this" });
    expect(codes(found)).toEqual(["keys_short"]);
    expect(found.get("keys_short")?.message).not.toContain("only-this");
    configure({ options: 'encryption: { keys: ["only-this"] },' });
    expect((await findings()).get("keys_short")?.message).toContain("encryption.keys[0] has 9 bytes");
  });

  test("keys_guessable", async () => {
    const { findings } = await examined();
    // Put together here: this file is in git, which doctor would find as well.
    for (const key of ["aaaabbbb".repeat(5), ["this is my", "very secret", "session key"].join(" ")]) {
      expect(codes(await findings([], { SESSION_KEYS: key }))).toEqual(["keys_guessable"]);
    }
  });

  test("keys_not_seen", async () => {
    const { findings, configure, folder } = await examined();
    configure({ file: "options.mjs" });
    const text =
      'import { createPsession } from "psession"; import o from "./options.mjs"; export default createPsession(o);';
    writeFileSync(join(folder, "psession.config.mjs"), text);
    expect((await findings()).get("keys_not_seen")?.severity).toBe("note");
  });
});

describe("keys and git", () => {
  const git = (folder: string, ...values: string[]) =>
    execFileSync("git", values, { cwd: folder, stdio: "ignore" });

  test("keys_in_git", async () => {
    const { findings, folder, key, configure } = await examined();
    git(folder, "init");
    writeFileSync(join(folder, "settings.yaml"), `key: "${key}"\n`);
    expect(codes(await findings())).toEqual([]);
    git(folder, "add", "settings.yaml");
    expect((await findings()).get("keys_in_git")?.message).toContain("keys[0] stands in settings.yaml");
    // Bytes are found in the spelling that the file has.
    const bytes = Buffer.from(key, "base64url");
    writeFileSync(join(folder, "settings.yaml"), bytes.toString("hex").toUpperCase());
    expect(codes(await findings())).toEqual([]);
    configure({ options: 'keys: [Buffer.from(process.env.SESSION_KEYS, "base64url")],' });
    expect(codes(await findings())).toEqual(["keys_in_git"]);
    // Tracked still, and gone from here.
    git(folder, "rm", "--force", "settings.yaml");
    expect(codes(await findings())).toEqual([]);
  });

  test("env_in_git", async () => {
    const { findings, folder, key } = await examined();
    git(folder, "init");
    writeFileSync(join(folder, ".env"), `OTHER=${key}\n`);
    writeFileSync(join(folder, ".env.example"), "SESSION_KEYS=\n");
    git(folder, "add", "--force", ".env.example");
    expect(codes(await findings())).toEqual([]);
    git(folder, "add", "--force", ".env");
    const found = await findings();
    expect(codes(found).sort()).toEqual(["env_in_git", "keys_in_git"]);
    expect(found.get("env_in_git")?.remedy).toContain("git rm --cached .env");
  });
});

describe("options and cookies", () => {
  test("options_invalid", async () => {
    const { findings, configure, doctor } = await examined();
    configure({ options: 'session: { idle: "3d" }, colour: "red",' });
    const found = await findings([], { SESSION_KEYS: undefined });
    expect(codes(found)).toEqual(["options_invalid", "keys_missing"]);
    const { stdout } = await doctor();
    expect(stdout).toContain("The application does not start: colour is no option.");
  });

  test("cookies_insecure, at an address that others reach, whatever production says", () => {
    const settings = resolveOptions({
      store: memoryStore(),
      keys: "k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0",
      [dangerouslyAllowInsecureHttp]: true,
    });
    const at = (host: string, production?: boolean) =>
      cookieFindings(settings, { url: `http://${host}/`, production }).find(
        ({ code }) => code === "cookies_insecure",
      )?.severity;
    for (const host of ["localhost:3000", "shop.localhost", "127.0.0.1:9", "[::1]:9"]) {
      expect([at(host), at(host, false)], host).toEqual(["warning", "note"]);
    }
    for (const host of ["shop.example", "localhost.example", "192.168.0.7", "127.0.0.1.example"]) {
      expect([at(host), at(host, false)], host).toEqual(["error", "error"]);
    }
  });

  test("cookies_insecure", async () => {
    const { findings, configure } = await examined();
    const before = 'import { dangerouslyAllowInsecureHttp } from "psession";';
    const options = "[dangerouslyAllowInsecureHttp]: true,";
    const severity = async (deployment?: string) => {
      configure({ before, options, ...(deployment === undefined ? {} : { deployment }) });
      return (await findings()).get("cookies_insecure")?.severity;
    };
    expect(await severity()).toBe("warning");
    expect(await severity("{ production: false }")).toBe("note");
    expect(await severity("{ production: true }")).toBe("error");
    const refused = await findings([], { NODE_ENV: "production" });
    expect(refused.get("options_invalid")?.message).toContain("dangerouslyAllowInsecureHttp is refused");
  });

  test("cookie_unprefixed and cookies_domain_wide", async () => {
    const { findings, configure } = await examined();
    configure({ options: 'cookies: { session: "sid" },' });
    const found = await findings();
    expect(codes(found)).toEqual(["cookie_unprefixed"]);
    expect(found.get("cookie_unprefixed")?.remedy).toContain("__Host-sid");
    configure({ options: 'cookies: { domain: "example.com" },' });
    expect((await findings()).get("cookies_domain_wide")?.severity).toBe("note");
  });

  test("policy_exceeded", async () => {
    const { findings, configure, doctor } = await examined();
    expect(codes(await findings(["--policy", "aal1"]))).toEqual([]);
    const { stdout } = await doctor(["--policy", "aal2"]);
    expect(stdout).toContain("session.idle is 2h; aal2 of NIST SP 800-63B-4 allows 1h");
    expect(stdout).toContain('Set remember.absolute to at most "1d", and do not offer to remember.');
    configure({
      options: 'session: { idle: "15m", absolute: "12h" }, remember: { idle: "15m", absolute: "12h" },',
      deployment: '{ policy: "aal3" }',
    });
    expect(codes(await findings())).toEqual([]);
    configure({ options: 'session: { idle: "1h" },', deployment: '{ policy: "aal3" }' });
    expect(codes(await findings())).toEqual(["policy_exceeded"]);
    expect(await doctor(["--policy", "aal4"])).toMatchObject({ code: 2 });
  });
});

describe("two applications", () => {
  test("cookie_shared and keys_shared", async () => {
    const { findings, configure } = await examined();
    const other = (parts: { options?: string; deployment?: string } = {}) =>
      findings(["--other", configure({ file: "other.mjs", ...parts })]);
    const own = 'keys: ["hTf7Kq2Zx9Mb4Wd8Ls3Yv6Rc1Np5Jg0Q"],';
    expect(codes(await other())).toEqual(["cookie_shared", "keys_shared"]);
    expect(codes(await other({ options: own }))).toEqual(["cookie_shared"]);
    expect(codes(await other({ options: 'realm: "staff",' }))).toEqual(["cookie_shared"]);
    const names = 'cookies: { session: "__Host-admin", remember: "__Host-admin-remember" },';
    expect(codes(await other({ options: own + names }))).toEqual([]);
    // A third cookie is there with devices.detectNew only, and then in both.
    const detectNew = "devices: { detectNew: true },";
    configure({ options: detectNew });
    expect(codes(await other({ options: own + names }))).toEqual([]);
    const alike = await other({ options: own + names + detectNew });
    expect(alike.get("cookie_shared")?.message).toContain("__Host-psession-device");
    configure();
    configure({ deployment: '{ url: "http://127.0.0.1:9/" }' });
    const found = await other({ options: own, deployment: '{ url: "http://admin.example/" }' });
    expect(codes(found)).not.toContain("cookie_shared");
  });
});
