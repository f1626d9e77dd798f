/** Options that come as a function: an application that is only built has no keys and no database. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { createPsession, memoryStore, type PsessionOptions } from "../src/index.ts";
import { jarSession, withSession } from "../src/integrations/fetch/index.ts";
import { sqliteStore } from "../src/stores/sqlite/index.ts";
import { KEY, SESSION, TestBrowser, type TestData } from "./support/app.ts";
import { temporaryFolder } from "./support/temp.ts";

const given = (): PsessionOptions => ({ store: memoryStore(), keys: [KEY], prune: false });

test("options are asked for, checked and opened once, at the first use", async () => {
  const path = join(temporaryFolder(), "sessions.sqlite");
  const options = vi.fn((): PsessionOptions => ({ ...given(), store: sqliteStore({ path }) }));
  const psession = createPsession(options);
  const heard: unknown[] = [];
  psession.on("login", ({ userId }) => void heard.push(userId));
  expect([options.mock.calls.length, existsSync(path)]).toEqual([0, false]);

  expect(psession.cookieNames.session).toBe(SESSION);
  expect(await psession.devices(8)).toEqual([]);
  expect([options.mock.calls.length, existsSync(path)]).toEqual([1, true]);
  await psession.close();
});

test("listeners added before the first use get later events", async () => {
  const psession = createPsession<TestData>(given);
  const heard: unknown[] = [];
  psession.on("login", ({ userId }) => void heard.push(userId));
  await new TestBrowser({ psession } as never).visit((session) => session.login(7));
  expect(heard).toEqual([7]);
  await psession.close();
});

test("each use reports wrong options until they are corrected", async () => {
  const options = { ...given(), keys: ["short"] };
  const psession = createPsession(() => options);
  const use = () => psession.devices(7);
  await expect(use()).rejects.toMatchObject({ code: "invalid_options" });
  await expect(use()).rejects.toThrow("keys.0 must have at least 32 bytes");
  options.keys = [KEY];
  expect(await use()).toEqual([]);
  await psession.close();
});

test("a promise of options is refused", async () => {
  const psession = createPsession((async () => given()) as never);
  await expect(psession.devices(7)).rejects.toThrow("options must be returned at once");
  const failing = createPsession((async () => Promise.reject(new Error("no"))) as never);
  await expect(failing.devices(7)).rejects.toMatchObject({ code: "invalid_options" });
});

test("an unused psession closes without asking for options, and stays closed", async () => {
  const options = vi.fn(given);
  const psession = createPsession(options);
  await psession.flush();
  await psession.close();
  await expect(psession.devices(7)).rejects.toMatchObject({ code: "closed", status: 503 });
  expect(options).not.toHaveBeenCalled();
});

test("a request that never opens its session does not ask for options: a build may have rendered it", async () => {
  const options = vi.fn((): PsessionOptions => given());
  const psession = createPsession(options);
  const page = withSession(psession, async () => new Response("about us"));
  expect(await (await page(new Request("https://shop.example/about"))).text()).toBe("about us");
  const { commit } = jarSession(psession, { headers: new Headers() }, { secure: true });
  expect(await commit(new Headers())).toEqual({ noStore: false });
  expect(options).not.toHaveBeenCalled();
  await psession.close();
});
