import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { psessionIn } from "./cli/run.ts";
import { KEY } from "./support/app.ts";
import { folderForApp } from "./support/shop.ts";

/** What processes are warned of, and psession as a process that has just started has it. */
async function started() {
  vi.resetModules();
  const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const {
    createPsession,
    dangerouslyAllowInsecureHttp: insecure,
    memoryStore,
  } = await import("../src/index.ts");
  const create = (options: object) =>
    createPsession({ store: memoryStore(), keys: [KEY], prune: false, ...options });
  return { warned, create, insecure };
}

beforeEach(() => vi.restoreAllMocks());

test("allowing plain http emits one warning at start", async () => {
  const { warned, create, insecure } = await started();
  create({ [insecure]: true });
  create({ [insecure]: true });
  expect(warned.mock.calls).toEqual([
    [expect.stringContaining("anyone on the way can read"), { code: "PSESSION_INSECURE_HTTP" }],
  ]);
});

test("without dangerouslyAllowInsecureHttp there is no warning", async () => {
  const { warned, create, insecure } = await started();
  create({});
  create({ [insecure]: false });
  create({ [insecure]: undefined });
  expect(warned).not.toHaveBeenCalled();
});

test("only true allows plain http, and nothing that looks like it", async () => {
  const { create, insecure } = await started();
  for (const value of ["1", "true", "false", 1, null]) {
    expect(() => create({ [insecure]: value })).toThrow("dangerouslyAllowInsecureHttp must be true or false");
  }
});

test("commands do not warn of what the doctor finds", async () => {
  const cwd = folderForApp();
  const config = `
    import { createPsession, dangerouslyAllowInsecureHttp, memoryStore } from "psession";
    const options = { store: memoryStore(), keys: ["${KEY}"], [dangerouslyAllowInsecureHttp]: true };`;
  writeFileSync(join(cwd, "options.mjs"), `${config} export default options;`);
  writeFileSync(join(cwd, "service.mjs"), `${config} export default createPsession(options);`);
  for (const file of ["options.mjs", "service.mjs"]) {
    const ran = await psessionIn({ cwd }, "doctor", "--config", file);
    expect(ran.stdout).toContain("cookies_insecure");
    expect(ran.stderr).toBe("");
  }
});
