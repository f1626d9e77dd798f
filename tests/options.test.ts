import { afterEach, expect, test, vi } from "vitest";
import {
  createPsession,
  dangerouslyAllowInsecureHttp,
  memoryStore,
  type PsessionOptions,
} from "../src/index.ts";
import { resolveOptions } from "../src/options/resolve.ts";
import { optionDefaults } from "../src/options/schema.ts";
import { sqliteStore } from "../src/stores/sqlite/index.ts";
import { KEY, OLDER_KEY, testApp } from "./support/app.ts";

const given = (options: object = {}) =>
  ({ store: memoryStore(), keys: [KEY], ...options }) as PsessionOptions;

function faultsOf(options: object): string {
  try {
    resolveOptions(options as PsessionOptions);
  } catch (error) {
    expect(error).toMatchObject({ code: "invalid_options" });
    return (error as Error).message;
  }
  return "";
}

afterEach(() => vi.unstubAllEnvs());

test("everything that is wrong is named at once", () => {
  const message = faultsOf({
    store: {},
    keys: ["short"],
    unknown: 1,
    realm: "two words",
    session: { idle: "soon", colour: "red", touchEvery: -1 },
    remember: { onTheft: "nobody" },
    cookies: { path: "x;y", domain: "a b", sameSite: "sometimes", session: "a=b" },
    prune: { every: 0 },
    clock: 5,
  });
  for (const path of [
    "store must be a store",
    "keys.0 must have at least 32 bytes",
    "unknown is no option",
    "realm must be 1 to 64 letters",
    "session.idle must be",
    "session.colour is no option",
    "session.touchEvery must be",
    'remember.onTheft must be "login" or "user"',
    "cookies.path must start with /",
    "cookies.domain is not a domain",
    'cookies.sameSite must be "lax"',
    "cookies.session is not a cookie name",
    "prune must be",
    "clock must be",
  ]) {
    expect(message).toContain(`- ${path}`);
  }
});

test("keys may be comma-separated text, as in an environment variable", () => {
  const [first = "", second = ""] = ["a", "b"].map((letter) => `${letter}${KEY}`);
  const signedBy = (keys: unknown) => resolveOptions(given({ keys })).keys;
  const signed = (keys: unknown) => signedBy(keys).sign("session", "text");
  expect(signed(`${first}, ${second}`)).toEqual(signed([first, second]));
  expect(faultsOf(given({ encryption: { keys: `${first},${first}` }, keys: first }))).toContain("in common");
  expect(faultsOf(given({ keys: `${first},short` }))).toContain("- keys.1 must have at least 32 bytes");
  expect(faultsOf(given({ keys: `${first},` }))).toContain("- keys.1 is missing");
});

test("keys of a variable that is not set say so, and how to make one", () => {
  for (const keys of [undefined, "", [undefined], [""], `,${KEY}`]) {
    expect(faultsOf(given({ keys }))).toMatch(
      /^- keys(\.0)? is missing: 32 random bytes .*psession keys generate.* environment variable set\?$/m,
    );
  }
  expect(faultsOf(given({ encryption: { keys: undefined } }))).toContain("- encryption.keys is missing: 32");
});

test.each([
  ["secret", "keys"],
  ["cookie", "cookies"],
  ["maxAge", "session.idle or session.absolute"],
  ["idle", "session.idle or remember.idle"],
  ["sameSite", "cookies.sameSite"],
  ["sesion", "session"],
  ["stroe", "store"],
  ["whenUnavailible", "whenUnavailable"],
])("the unknown option %s gets the suggestion %s", (name, meant) => {
  expect(faultsOf(given({ [name]: {} }))).toContain(`- ${name} is no option; did you mean ${meant}?`);
});

test("an unknown nested option gets a suggestion, and one that resembles none does not", () => {
  expect(faultsOf(given({ session: { idel: "1h" } }))).toContain(
    "session.idel is no option; did you mean session.idle?",
  );
  expect(faultsOf(given({ session: { colour: "red" } }))).toMatch(/session\.colour is no option$/m);
  expect(faultsOf(given({ toString: 1, constructor: 2 }))).toMatch(/^- constructor is no option$/m);
});

test("every unknown option is named, not only the first, of stores and locks too", async () => {
  const message = faultsOf(given({ colour: 1, size: 2, session: { colour: 3, size: 4, idle: "soon" } }));
  for (const path of ["colour", "size", "session.colour", "session.size"]) {
    expect(message).toContain(`- ${path} is no option`);
  }
  expect(message).toContain("- session.idle must be");
  const both = /- colour is no option\n- size is no option/;
  expect(() => sqliteStore({ path: ":memory:", colour: 1, size: 2 } as never)).toThrow(both);
  const { psession } = testApp();
  await expect(psession.lock("a", { colour: 1, size: 2 } as never)).rejects.toThrow(both);
});

test.each(
  Object.entries({
    "of koa-session": { get: async () => {}, set: async () => {}, destroy: async () => {} },
    "of @fastify/session and express-session": { get() {}, set() {}, destroy() {}, touch() {} },
    "of @hono/session": { get() {}, set() {}, delete() {} },
    "a Map": new Map(),
  }),
)("a store %s is refused at creation, and the error says what a store is", (_, store) => {
  const message = faultsOf(given({ store }));
  for (const part of [
    "conditional write",
    "psession/store",
    "storeContract of psession/testing",
    "docs/stores/your-own.md",
  ])
    expect(message).toContain(part);
});

test("an incomplete store is refused, and the error names its missing methods", () => {
  const {
    apply: _apply,
    touch: _touch,
    ...rest
  } = Object.fromEntries(
    ["findSession", "findRemembered", "apply", "touch", "list", "prune"].map((name) => [name, () => {}]),
  );
  const message = faultsOf(given({ store: rest }));
  expect(message).toContain("store has no rowsOf, apply, touch:");
  expect(message).toContain("docs/stores/your-own.md");
});

test("an undefined option counts as not given", () => {
  const store = () => memoryStore({ audit: true });
  const plain = (settings: object) => JSON.parse(JSON.stringify(settings));
  const usual = plain(resolveOptions(given({ store: store() })));
  for (const path of optionDefaults().keys()) {
    if (["store", "keys", "encryption.keys", "clock"].includes(path) || path.includes("matchAddress."))
      continue;
    const options = path.split(".").reduceRight<unknown>((inner, name) => ({ [name]: inner }), undefined);
    // One that is there needs its keys.
    const rest = path.startsWith("encryption.")
      ? { encryption: { keys: [OLDER_KEY], acceptPlainText: undefined } }
      : {};
    const settings = resolveOptions(given({ store: store(), ...(options as object), ...rest }));
    // Given, even without anything in them, these switch something on.
    const isGiven = path.startsWith("encryption.") || path.startsWith("deviceBound.");
    if (!isGiven) expect([path, plain(settings)]).toEqual([path, usual]);
  }
});

test("missing store and keys are named", () => {
  const message = faultsOf({});
  expect(message).toContain("store is missing");
  expect(message).toContain("keys is missing");
  expect(faultsOf(given({ keys: [] }))).toContain("at least one");
});

test("keys that are not random are refused", () => {
  expect(faultsOf(given({ keys: ["a".repeat(64)] }))).toContain("too regular");
  expect(faultsOf(given({ keys: [KEY, "x"] }))).toContain("keys.1");
});

test("options that contradict each other are refused", () => {
  const cases: [object, string][] = [
    [{ session: { idle: "2d", absolute: "1d" } }, "session.idle must not be longer"],
    [{ session: { idle: "1m" } }, "session.touchEvery must be at most half"],
    [{ session: { rotateEvery: "1m" } }, "session.rotateEvery must be at least 120000"],
    [{ remember: { idle: "31d" } }, "remember.idle must not be longer"],
    [{ remember: { idle: "1d", absolute: "401d" } }, "400 days"],
    [{ remember: { tombstone: "1m" } }, "remember.tombstone must be at least"],
    [{ prune: { every: "25d" } }, "prune.every must be at most 24 days"],
    [{ cookies: { sameSite: "none" } }, "needs cookies.partitioned"],
    [{ cookies: { partitioned: true } }, 'needs cookies.sameSite "none"'],
    [{ cookies: { session: "__Host-a", path: "/app" } }, "a __Host- cookie needs"],
    [{ cookies: { remember: "__host-a" } }, "write the prefix as __Host-"],
    [{ cookies: { session: "a", remember: "a" } }, "must differ"],
    [{ [dangerouslyAllowInsecureHttp]: true, cookies: { session: "__Secure-a" } }, "needs https"],
  ];
  for (const [options, fault] of cases) expect(faultsOf(given(options))).toContain(fault);
});

test("plain http is refused in production", () => {
  const insecure = given({ [dangerouslyAllowInsecureHttp]: true });
  expect(resolveOptions(insecure).cookies.session).toMatchObject({ name: "psession", secure: false });
  vi.stubEnv("NODE_ENV", "production");
  expect(faultsOf(insecure)).toContain("refused in production");
});

test("defaults are as documented", () => {
  const { session, remember, cookies, prune } = resolveOptions(given());
  const day = 86_400_000;
  expect(session).toMatchObject({ idle: 7_200_000, absolute: day, touchEvery: 60_000, maxBytes: 65_536 });
  expect(session.rotateEvery).toBeUndefined();
  expect(remember).toEqual({
    enabled: true,
    idle: 14 * day,
    absolute: 30 * day,
    onTheft: "login",
    tombstone: day,
  });
  expect(cookies.session).toEqual({
    name: "__Host-psession",
    path: "/",
    domain: undefined,
    secure: true,
    sameSite: "lax",
    partitioned: false,
  });
  expect(cookies.remember.name).toBe("__Host-psession-remember");
  expect(prune).toEqual({ every: 900_000, chunk: 1000 });
});

test("every option takes effect away from its default", () => {
  const settings = resolveOptions(
    given({
      session: { idle: 1_000_000, absolute: "2h", touchEvery: "30s", rotateEvery: "10m", maxBytes: 99 },
      remember: { idle: "2d", absolute: "3d", onTheft: "user", tombstone: "2h" },
      cookies: {
        session: "sid",
        remember: "rid",
        sameSite: "strict",
        path: "/app",
        domain: "a.example",
        noStore: false,
      },
      prune: { every: "1h", chunk: 7 },
    }),
  );
  expect(settings.session).toMatchObject({ idle: 1_000_000, absolute: 7_200_000, touchEvery: 30_000 });
  expect(settings.session).toMatchObject({ rotateEvery: 600_000, maxBytes: 99 });
  expect(settings.remember).toMatchObject({ idle: 172_800_000, absolute: 259_200_000, onTheft: "user" });
  expect(settings.remember.tombstone).toBe(7_200_000);
  expect(settings.cookies.session).toMatchObject({
    name: "sid",
    sameSite: "strict",
    path: "/app",
    domain: "a.example",
  });
  expect(settings.cookies).toMatchObject({ remember: { name: "rid" }, noStore: false });
  expect(settings.prune).toEqual({ every: 3_600_000, chunk: 7 });
  expect(resolveOptions(given({ prune: false })).prune).toBeUndefined();
  const embedded = resolveOptions(given({ cookies: { sameSite: "none", partitioned: true } }));
  expect(embedded.cookies.session).toMatchObject({ sameSite: "none", partitioned: true, secure: true });
  expect(resolveOptions(given({ cookies: { domain: "a.example" } })).cookies.session.name).toBe(
    "__Secure-psession",
  );
});

test("no error repeats a key", () => {
  const secret = "tooshort-but-secret";
  expect(faultsOf(given({ keys: [secret] }))).not.toContain(secret);
});

test("a closed psession takes no more requests", async () => {
  const psession = createPsession(given());
  await psession.close();
  expect(() => psession.exchange({} as never)).toThrow(expect.objectContaining({ code: "closed" }));
});
