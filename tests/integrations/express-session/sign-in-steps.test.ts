import { expect, test, vi } from "vitest";
import { memoryStore } from "../../../src/index.ts";
import {
  requireFresh,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
} from "../../../src/integrations/express/index.ts";
import { psessionOf, type SessionOptions } from "../../../src/integrations/express-session/index.ts";
import { intercepted } from "../../support/stores.ts";
import { type Any, type Express, NotedStore, ours, STRONG, start } from "./sides.ts";

const answers =
  (work: (session: Any) => unknown) =>
  async (request: Any, response: Any): Promise<void> => {
    response.json((await work(request.session)) ?? null);
  };

const GUARDS = {
  "/level": requireLevel("login"),
  "/login": requireLogin(),
  "/fresh": requireFresh({ within: "10m" }),
  "/pending": requirePending(),
  "/proofs": requireProofs(["password", "otp"]),
};

function routes(app: Express) {
  const letIn = answers(() => "let in");
  for (const [path, guard] of Object.entries(GUARDS)) app.get(path, guard as Any, letIn);
  app.get(
    "/set/:key/:value",
    (request, _response, next) => {
      (request.session as Any)[request.params["key"] as string] = JSON.parse(
        request.params["value"] as string,
      );
      next();
    },
    letIn,
  );
  app.get(
    "/begin",
    answers(async (session) => {
      session.cart = ["tea"];
      await session.begin(7, {
        method: "password",
        carry: (present: Any) => ({ ...present, begun: new Date(0) }),
      });
      return session;
    }),
  );
  app.get(
    "/see",
    answers(({ pending, proofs, claims, isSignedIn, ...data }) => ({
      pending: pending?.userId,
      proofs: proofs.map(({ method }: Any) => method),
      claims,
      isSignedIn,
      data,
    })),
  );
  app.get(
    "/complete",
    answers((session) =>
      session.complete({ method: "otp", carry: ({ cart }: Any) => ({ cart, done: new Date(0) }) }),
    ),
  );
}

const begin = (options: SessionOptions = {}, define = routes) =>
  start(ours, { secret: STRONG, store: memoryStore(), ...options }, define);

test("a sign-in in two steps carries the data of req.session, as JSON has them", async () => {
  const client = await begin();
  const half = { cart: ["tea"], begun: "1970-01-01T00:00:00.000Z" };
  expect((await client.get("/begin")).json).toMatchObject(half);
  expect((await client.get("/see")).json).toMatchObject({
    pending: 7,
    proofs: [],
    isSignedIn: false,
    data: half,
  });
  expect((await client.get("/pending")).text).toContain("let in");
  expect((await client.get("/login")).status).toBe(401);
  expect((await client.get("/complete")).json).toBe("signed_in");
  const { json } = await client.get("/see");
  expect(json).toMatchObject({ proofs: ["otp", "password"], claims: { acr: "aal2" }, isSignedIn: true });
  expect(json.data).toMatchObject({ cart: ["tea"], done: "1970-01-01T00:00:00.000Z" });
  expect(json.data).not.toHaveProperty("begun");
  for (const path of ["/proofs", "/login", "/level", "/fresh"])
    expect((await client.get(path)).text).toContain("let in");
});

test("a user in the data is signed in by no first step, and by no data of its names", async () => {
  const client = await begin();
  for (const [key, value] of Object.entries({
    pending: { userId: 7 },
    proofs: [{ method: "password" }, { method: "otp" }],
    isSignedIn: true,
  }))
    await client.get(`/set/${key}/${encodeURIComponent(JSON.stringify(value))}`);
  expect((await client.get("/pending")).status).toBe(401);
  expect((await client.get("/proofs")).status).toBe(401);
  await client.get("/set/userId/7");
  expect((await client.get("/login")).status).toBe(200);
  expect((await client.get("/proofs")).status).toBe(403);
  await client.get("/begin");
  expect((await client.get("/login")).status).toBe(401);
});

test("a trusted browser, the session's end and its uses are asked of req.session", async () => {
  const client = await begin({}, (app) => {
    routes(app);
    app.get(
      "/in",
      answers((session) => session.login(7, { method: "password", idle: "10m", remember: { for: "7d" } })),
    );
    app.get(
      "/trust",
      answers((session) => session.trust({ for: "7d" })),
    );
    app.get(
      "/trusted",
      answers((session) => session.isTrusted(7)),
    );
    app.get(
      "/distrust",
      answers((session) => session.distrust()),
    );
    app.get(
      "/prove",
      answers((session) => session.prove("otp")),
    );
    app.get(
      "/ends",
      answers((session) => {
        session.bePassive();
        return session.endsAt();
      }),
    );
    app.get(
      "/extend",
      answers((session) => {
        session.extend();
        return session.endsAt();
      }),
    );
  });
  const now = Date.now();
  vi.useFakeTimers({ toFake: ["Date"], now });
  try {
    await client.get("/in");
    expect((await client.get("/trusted")).json).toBe(false);
    await client.get("/trust");
    expect((await client.get("/trusted")).json).toBe(true);
    await client.get("/prove");
    expect((await client.get("/proofs")).status).toBe(200);
    const week = now + 7 * 86_400_000;
    vi.setSystemTime(now + 300_000);
    expect((await client.get("/ends")).json).toMatchObject({ idle: now + 600_000, remembered: week });
    expect((await client.get("/extend")).json).toMatchObject({ idle: now + 900_000, remembered: week });
    expect((await client.get("/ends")).json).toMatchObject({ idle: now + 900_000 });
    expect((await client.get("/distrust")).json).toBe(true);
    expect((await client.get("/trusted")).json).toBe(false);
  } finally {
    vi.useRealTimers();
  }
});

test("req.sessionStore gives the record of a trusted browser as no session", async () => {
  const ids: string[] = [];
  const store = memoryStore();
  const apply = store.apply.bind(store);
  store.apply = (change) => {
    const insert = "insert" in change ? change.insert : undefined;
    if (insert?.level === "trust") ids.push(insert.id);
    return apply(change);
  };
  const client = await begin({ store }, (app) => {
    app.get(
      "/in",
      answers(async (session) => {
        await session.login(7);
        await session.trust();
      }),
    );
    app.get("/get", (request: Any, response) => {
      request.sessionStore.get(ids[0], (error: Any, found: Any) => response.json([error, found ?? null]));
    });
  });
  await client.get("/in");
  expect(ids).toHaveLength(1);
  expect((await client.get("/get")).json).toEqual([null, null]);
});

test("trust that is refused takes back nothing of what the handler did before", async () => {
  const client = await begin({}, (app) => {
    routes(app);
    app.get(
      "/in",
      answers(async (session) => {
        session.seen = 1;
        await session.login(7);
        return session.trust({ for: "9999d" }).catch(({ code }: Any) => code);
      }),
    );
  });
  expect((await client.get("/in")).json).toBe("invalid_options");
  expect((await client.get("/see")).json).toMatchObject({ isSignedIn: true, data: { seen: 1 } });
});

test.each(["begin", "complete"])(
  "a %s that cannot be stored leaves none of its data behind",
  async (step) => {
    let isDown = false;
    const store = intercepted(memoryStore(), async (name, call) => {
      if (name === "apply" && isDown) {
        isDown = false;
        throw Object.assign(new Error("down"), { code: "store_unavailable", status: 503 });
      }
      return call();
    });
    const client = await begin({ store }, (app) => {
      routes(app);
      app.get("/fail", async ({ session }: Any, response) => {
        const carry = (present: Any) => ({ ...present, secret: "ada's" });
        if (step === "begin") await session.begin(7, { carry });
        else await session.complete({ carry });
        isDown = true;
        session.save((error: Any) => response.json([error?.code, session.secret ?? null]));
      });
    });
    await client.get("/set/seen/1");
    if (step === "complete") await client.get("/begin");
    expect((await client.get("/fail")).json).toEqual(["store_unavailable", null]);
    const { json } = await client.get("/see");
    expect(json).toMatchObject({ isSignedIn: false, data: { seen: 1 } });
    expect(json.data).not.toHaveProperty("secret");
  },
);

test("on another store req.session has none of it, and guards refuse to judge by data", async () => {
  const errors: unknown[] = [];
  const client = await start(ours, { store: new NotedStore() as Any }, (app) => {
    app.get("/names", ({ session }: Any, response) => {
      const names = [
        "begin",
        "complete",
        "prove",
        "trust",
        "isTrusted",
        "endsAt",
        "extend",
        "proofs",
        "pending",
      ];
      response.json(names.filter((name) => name in session));
    });
    routes(app);
    app.use(((error: Any, _request: Any, _response: Any, next: Any) => {
      errors.push(error.message);
      next(error);
    }) as Any);
  });
  expect((await client.get("/names")).json).toEqual([]);
  await client.get("/set/isSignedIn/true");
  await client.get("/set/pending/true");
  for (const path of Object.keys(GUARDS)) expect((await client.get(path)).status).toBe(500);
  expect(new Set(errors)).toEqual(new Set([expect.stringContaining("the sign-in of a psession store")]));
});

test("nobody impersonates where req.session holds the data of one session, and nothing is stored", async () => {
  const client = await begin({}, (app) => {
    app.get(
      "/login",
      answers((session) => session.login(7)),
    );
    app.get("/act", (async (request: Any, response: Any) => {
      request.session.note = "mine";
      const { session } = psessionOf(request);
      const refused: Any[] = [];
      const note = (error: Any) => void refused.push(error.code);
      await session?.impersonate(8, { reason: "ticket" }).catch(note);
      await session?.stopImpersonating().catch(note);
      response.json(refused);
    }) as Any);
    app.get(
      "/see",
      answers(({ userId, note }) => ({ userId, note })),
    );
  });
  await client.get("/login");
  expect((await client.get("/act")).json).toEqual(["invalid_options", "invalid_options"]);
  expect((await client.get("/see")).json).toEqual({ userId: 7, note: "mine" });
});
