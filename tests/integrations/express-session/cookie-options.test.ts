import { describe, expect, onTestFinished, test, vi } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import type { SessionOptions } from "../../../src/integrations/express-session/index.ts";
import {
  type Any,
  type Express,
  type Middleware,
  NotedStore,
  original,
  ours,
  STRONG,
  start,
} from "./sides.ts";
import { warnings } from "./warnings.ts";

const KINDS: [string, () => SessionOptions][] = [
  ["on the application's own store", () => ({ store: new NotedStore() })],
  ["on a psession store", () => ({ store: memoryStore(), secret: STRONG })],
];

const faults = (options: SessionOptions): string[] => {
  try {
    ours(options);
    return [];
  } catch (error) {
    return (error as Error).message.split("\n- ").slice(1);
  }
};

const visit = (app: Express) => {
  app.get("/visit", (request: Any, response) => {
    request.session.seen = (request.session.seen ?? 0) + 1;
    response.json(request.session.seen);
  });
};

/** The attributes of the cookie that a first visit over https gets, without the times. */
async function attributes(middleware: Middleware, options: SessionOptions): Promise<string[]> {
  const client = await start(middleware, { proxy: true, ...options }, visit);
  const { setCookie, status } = await client.request("/visit", {
    headers: { "x-forwarded-proto": "https" },
  });
  expect(status).toBe(200);
  return (setCookie[0] ?? "")
    .split("; ")
    .slice(1)
    .filter((attribute) => !/^(Max-Age|Expires)=/.test(attribute))
    .sort();
}

describe.each(KINDS)("what is inside `cookie`, %s", (_, kind) => {
  const wrong: [string, unknown, string][] = [
    ["a maxAge that is no number", { maxAge: Number.NaN }, "cookie.maxAge"],
    ["a maxAge as text", { maxAge: "1d" }, "cookie.maxAge"],
    ["an expiry as text", { expires: "2030-01-01" }, "cookie.expires"],
    ["an expiry that is no date", { expires: new Date(Number.NaN) }, "cookie.expires"],
    ["a domain with a scheme", { domain: "https://example.com" }, "cookie.domain"],
    ["a domain with a port", { domain: "example.com:443" }, "cookie.domain"],
    ["a path with a semicolon", { path: "/a;b" }, "cookie.path"],
    ["a path that no request begins with", { path: "admin" }, "cookie.path"],
    ["a sameSite that nobody knows", { sameSite: "loose" }, "cookie.sameSite"],
    ["a priority that nobody knows", { priority: "urgent" }, "cookie.priority"],
  ];
  test.each(wrong)("%s is refused at start", (_, cookie, name) => {
    expect(faults({ ...kind(), cookie: cookie as Any })).toEqual([expect.stringContaining(name)]);
  });

  test("everything that is wrong is named at once", () => {
    const cookie = Object.assign({}, ...wrong.map(([, given]) => given));
    expect(faults({ ...kind(), cookie, name: "a b" }).map((fault) => fault.split(" ")[0])).toEqual([
      "name",
      "cookie.maxAge",
      "cookie.expires",
      "cookie.domain",
      "cookie.path",
      "cookie.sameSite",
      "cookie.priority",
    ]);
  });

  test.each([["true"], [1], ["yes"]])("secure that is %j is Secure", async (secure) => {
    expect(await attributes(ours, { ...kind(), cookie: { secure: secure as Any } })).toContain("Secure");
  });

  test("attributes that an object inherits count", async () => {
    const cookie = Object.create({ secure: true, sameSite: "strict" });
    const found = await attributes(ours, { ...kind(), cookie });
    expect(found).toEqual(expect.arrayContaining(["Secure", "SameSite=Strict"]));
  });

  test.each([["Lax"], ["STRICT"], ["Strict"]])("sameSite is taken as %s", async (sameSite) => {
    const given = { ...kind(), cookie: { secure: true, sameSite: sameSite as Any } };
    const name = sameSite.toLowerCase() === "lax" ? "Lax" : "Strict";
    expect(await attributes(ours, given)).toContain(`SameSite=${name}`);
  });

  test.each([
    [{ maxAge: null }],
    [{ maxAge: undefined, expires: false }],
    [{ domain: undefined, sameSite: false }],
    [{ domain: "", priority: undefined, sameSite: null }],
    [{ domain: ".example.com", path: "/visit", maxAge: 60_000 }],
  ])("what was always accepted still is: %j", async (cookie) => {
    expect(faults({ ...kind(), cookie: cookie as Any })).toEqual([]);
  });

  test("a maxAge beyond all dates is a long one", async () => {
    for (const maxAge of [Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY]) {
      const client = await start(ours, { ...kind(), cookie: { maxAge } }, visit);
      expect((await client.get("/visit")).json).toBe(1);
      expect((await client.get("/visit")).json).toBe(2);
    }
  });
});

describe("on the application's own store", () => {
  test.each([
    [{ secure: "true" }],
    [{ secure: 1, sameSite: "None" }],
    [{ secure: "auto", sameSite: "auto" }],
    [{ sameSite: true, httpOnly: false }],
    [{ sameSite: false, priority: "HIGH", partitioned: true, secure: true }],
    [{ path: "/visit", domain: ".example.com", maxAge: 60_000 }],
    [{ path: null, domain: null, maxAge: 0 }],
  ])("attributes are express-session's: %j", async (cookie) => {
    const given = { cookie: cookie as Any };
    expect(await attributes(ours, { store: new NotedStore(), ...given })).toEqual(
      await attributes(original, { store: new NotedStore(), ...given }),
    );
  });

  test("what a function gives is checked as well: an error that says what is wrong", async () => {
    for (const cookie of [() => ({ maxAge: "1d" }), () => undefined, () => ({ secure: true, path: "x" })]) {
      const client = await start(ours, { store: new NotedStore(), cookie: cookie as Any }, visit);
      const { status, json } = await client.get("/visit");
      expect([status, json.code]).toEqual([500, "invalid_options"]);
      expect(json.message).toContain("cookie");
    }
  });

  test("an object that is changed later holds for the sessions that follow", async () => {
    const cookie = { secure: false };
    const client = await start(ours, { store: new NotedStore(), proxy: true, cookie }, visit);
    cookie.secure = true;
    const { setCookie } = await client.request("/visit", { headers: { "x-forwarded-proto": "https" } });
    expect(setCookie[0]).toContain("; Secure");
  });
});

describe("on a psession store", () => {
  const store = () => ({ store: memoryStore(), secret: STRONG });

  test("secure that is text or a number is Secure in production too", () => {
    vi.stubEnv("NODE_ENV", "production");
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(faults({ ...store(), cookie: { secure: "true" as Any } })).toEqual([]);
    expect(faults({ ...store(), cookie: { secure: 0 as Any } })).toEqual([
      expect.stringContaining("cookie.secure"),
    ]);
  });

  test.each([[0], [null], [""]])("httpOnly that is %j is no HttpOnly, which is refused", (httpOnly) => {
    expect(faults({ ...store(), cookie: { httpOnly: httpOnly as Any } })).toEqual([
      expect.stringContaining("cookie.httpOnly"),
    ]);
  });
});

describe("on a psession store, as with express-session,", () => {
  const store = () => ({ store: memoryStore(), secret: STRONG });
  const lines = async (middleware: Middleware, options: SessionOptions, scheme: "http" | "https") => {
    const client = await start(middleware, { proxy: true, ...options }, (app) => {
      visit(app);
      app.get("/attributes", (request: Any, response) => {
        const { secure, sameSite } = request.session.cookie;
        response.json([secure, sameSite]);
      });
    });
    const headers = { "x-forwarded-proto": scheme };
    const { setCookie } = await client.request("/visit", { headers });
    const { json } = await client.request("/attributes", { headers });
    return [
      ...setCookie.map((line) => line.split("; ").slice(1).sort()),
      setCookie.length > 0 ? json : "none",
    ];
  };

  const CASES: [Any, "http" | "https"][] = [
    [{ sameSite: "none", secure: true }, "https"],
    [{ sameSite: "None", secure: true }, "https"],
    [{ secure: "auto", sameSite: "lax" }, "https"],
    [{ secure: "auto", sameSite: "lax" }, "http"],
    [{ secure: "auto", sameSite: "auto" }, "https"],
    [{ secure: "auto", sameSite: "auto" }, "http"],
    [{ secure: true, sameSite: "auto" }, "https"],
    [{ secure: "auto", sameSite: "strict", domain: ".example.com" }, "https"],
    [{ secure: true, sameSite: "none", partitioned: true }, "https"],
  ];
  test.each(CASES)("%j over %s", async (cookie, scheme) => {
    const theirs = await lines(original, { store: new NotedStore(), cookie }, scheme);
    const expected = JSON.stringify(theirs).replace("Domain=.", "Domain=");
    expect(JSON.stringify(await lines(ours, { ...store(), cookie }, scheme)).toLowerCase()).toBe(
      expected.toLowerCase(),
    );
    expect(theirs).toHaveLength(2);
  });

  test("secure: auto in production is Secure: over plain http there is no session", async () => {
    vi.stubEnv("NODE_ENV", "production");
    onTestFinished(() => void vi.unstubAllEnvs());
    for (const sameSite of ["lax", "auto"] as const) {
      const given = { ...store(), proxy: true, cookie: { secure: "auto", sameSite } } as const;
      const client = await start(ours, given, (app) => {
        visit(app);
        app.get("/look", (request: Any, response) =>
          response.json([request.session.seen ?? 0, request.session.cookie.secure]),
        );
      });
      const https = { "x-forwarded-proto": "https" };
      const plain = await client.get("/visit");
      expect([plain.json.code, plain.setCookie]).toEqual(["insecure_transport", []]);
      expect(plain.json.message).toContain("trust");
      expect((await client.get("/look")).json).toEqual([0, true]);
      const secured = await client.request("/visit", { headers: https });
      expect([secured.json, secured.setCookie[0]]).toEqual([1, expect.stringContaining("; Secure")]);
      // Who is on the way, and has made the browser ask over plain http, learns and ends nothing.
      expect((await client.get("/look")).json).toEqual([0, true]);
      expect((await client.request("/look", { headers: https })).json).toEqual([1, true]);
    }
  });

  test("a sign-in that another site posts is stored where the cookie is for other sites", async () => {
    const client = await start(
      ours,
      { ...store(), proxy: true, cookie: { sameSite: "auto", secure: "auto" } },
      (app) => {
        app.post("/callback", (request: Any, response) => {
          request.session.userId = 7;
          response.json("in");
        });
        app.get("/me", (request: Any, response) => response.json(request.session.userId ?? null));
      },
    );
    const headers = {
      "x-forwarded-proto": "https",
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
    };
    const { status, setCookie } = await client.request("/callback", { method: "POST", headers });
    expect([status, setCookie.filter((line) => line.startsWith("connect.sid="))]).toEqual([
      200,
      [expect.stringMatching(/; Secure; SameSite=None$/)],
    ]);
    expect((await client.request("/me", { headers })).json).toBe(7);
  });

  test("what cannot be is refused in the words of `session()`", () => {
    const words = (options: SessionOptions) => faults({ ...store(), ...options });
    expect(words({ cookie: { sameSite: "none" } })).toEqual([
      expect.stringMatching(/^cookie\.sameSite "none" needs/),
    ]);
    expect(words({ cookie: { partitioned: true, secure: true } })).toEqual([
      expect.stringMatching(/^cookie\.partitioned needs/),
    ]);
    expect(words({ name: "__Host-sid" })).toEqual([expect.stringMatching(/^name: /)]);
    expect(words({ name: "__Host-sid", cookie: { secure: true, path: "/a" } })).toEqual([
      expect.stringMatching(/^name: /),
    ]);
    expect(words({ absolute: "4000w" as Any, touchEvery: "1h" })).toEqual([]);
    expect(words({ absolute: "9000w" as Any })).toEqual([expect.stringMatching(/^absolute must/)]);
  });
});

test("secure: auto in production on the application's own store is as with express-session, with a warning", async () => {
  vi.stubEnv("NODE_ENV", "production");
  onTestFinished(() => void vi.unstubAllEnvs());
  const given = () => ({ store: new NotedStore(), proxy: true, cookie: { secure: "auto" } }) as const;
  const warned = warnings("PSESSION_INSECURE_TRANSPORT");
  for (const middleware of [original, ours]) {
    const client = await start(middleware, given(), visit);
    expect((await client.get("/visit")).setCookie).toEqual([expect.not.stringContaining("Secure")]);
  }
  expect(await warned).toContain("without Secure");
});
