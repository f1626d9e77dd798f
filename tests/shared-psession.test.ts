/** One instance per process for modules that are evaluated several times, as bundlers and development servers do. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { memoryStore, type PsessionOptions, sharedPsession } from "../src/index.ts";
import { KEY, TestBrowser, type TestData } from "./support/app.ts";

const given = (): PsessionOptions => ({ store: memoryStore(), keys: [KEY], prune: false });
let key = "";

beforeEach(({ task }) => {
  key = task.id;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

/** A module that is evaluated again: another function with the same text. */
const evaluate = (setUp = () => {}) => sharedPsession<TestData>(key, () => given(), setUp);

test("evaluations of one module share an instance, and set it up once", () => {
  const setUp = vi.fn();
  const first = evaluate(setUp);
  expect([evaluate(setUp), evaluate(setUp)]).toEqual([first, first]);
  expect(evaluate(setUp)).toBe(first);
  expect(setUp.mock.calls).toEqual([[first]]);
  expect(sharedPsession(`${key} other`, given)).not.toBe(first);
});

test("an edited module replaces the options and the listeners of the same instance", async () => {
  const heard: string[] = [];
  const first = evaluate();
  first.on("login", () => void heard.push("old"));
  await new TestBrowser({ psession: first } as never).visit((session) => session.login(7));
  const edited = sharedPsession<TestData>(
    key,
    () => ({ ...given(), session: { idle: "5m" } }),
    (psession) => psession.on("login", () => void heard.push("new")),
  );
  expect(edited).toBe(first);
  await new TestBrowser({ psession: edited } as never).visit((session) => session.login(8));
  expect(heard).toEqual(["old", "new"]);
  expect(await edited.devices(7)).toEqual([]);
  await edited.close();
});

test("a request under way ends on the options that it began with, which are closed later", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  const store = memoryStore();
  const close = vi.fn(async () => {});
  const psession = sharedPsession<TestData>(key, () => ({
    ...given(),
    store: Object.assign(store, { close }),
  }));
  await new TestBrowser({ psession } as never).visit(async (session) => {
    await session.login(7);
    expect(sharedPsession(key, () => ({ ...given() }))).toBe(psession);
    await session.save();
    expect(await psession.devices(7)).toEqual([]);
    expect(await session.devices()).toHaveLength(1);
    expect(psession.keeps(session)).toBe(true);
  });
  expect(close).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(close).toHaveBeenCalledOnce();
  await psession.close();
});

test("in production the first options stay", async () => {
  vi.stubEnv("NODE_ENV", "production");
  const psession = evaluate();
  const other = vi.fn(given);
  expect(sharedPsession(key, () => other())).toBe(psession);
  expect(await psession.devices(7)).toEqual([]);
  expect(other).not.toHaveBeenCalled();
  await psession.close();
});

test("what is no key, no function or no set-up is refused", () => {
  const share = sharedPsession as (...values: unknown[]) => unknown;
  expect(() => share("", given)).toThrow("sharedPsession: key must be text");
  expect(() => share(7, given)).toThrow("sharedPsession: key must be text");
  expect(() => share(key, given())).toThrow("sharedPsession: options must be a function");
  expect(() => share(key, given, 7)).toThrow("sharedPsession: setUp must be a function");
});

test("another copy of the package keeps an instance of its own, and a warning says so", async () => {
  const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const first = evaluate();
  vi.resetModules();
  const copy = (await import("../src/index.ts")) as { sharedPsession: typeof sharedPsession };
  const second = copy.sharedPsession<TestData>(key, () => given());
  expect(second).not.toBe(first);
  expect(copy.sharedPsession(key, () => given())).toBe(second);
  expect(evaluate()).toBe(first);
  expect(warning).toHaveBeenCalledOnce();
  expect(warning.mock.calls[0]).toMatchObject([
    expect.stringContaining("serverExternalPackages"),
    { code: "PSESSION_COPIES" },
  ]);
  expect(await second.devices(7)).toEqual([]);
  await Promise.all([first.close(), second.close()]);
});
