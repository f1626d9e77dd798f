import formbody from "@fastify/formbody";
import { getRequestListener } from "@hono/node-server";
import { bodyParser } from "@koa/bodyparser";
import express from "express";
// @ts-expect-error: Express 4 is here under another name, without types of its own.
import express4 from "express4";
import Fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { describe, expect, test } from "vitest";
import { english, german } from "../../src/account/texts/index.ts";
import type { Psession } from "../../src/index.ts";
import type { DevicesPageOptions } from "../../src/integration/index.ts";
import * as onExpress from "../../src/integrations/express/index.ts";
import * as fastify from "../../src/integrations/fastify/index.ts";
import * as hono from "../../src/integrations/hono/index.ts";
import * as koa from "../../src/integrations/koa/index.ts";
import { overHttp, TestBrowser, type TestData, testApp } from "../support/app.ts";
import { DAY, HOUR } from "../support/clock.ts";
import { type Answer, HttpClient, serve } from "../support/http.ts";

const AT = "/account/devices";

type Serve = (psession: Psession<TestData>) => Promise<string>;

const expressApp =
  (make: typeof express, parser: express.RequestHandler): Serve =>
  (psession) => {
    const app = make();
    app.use(onExpress.sessions(psession), parser);
    app.post("/login", async ({ session }, response) => {
      await session.login("ada");
      response.end();
    });
    app.use(AT, onExpress.devicesPage());
    return serve(app);
  };

const PARSED: Record<string, Serve> = {
  "express.urlencoded": expressApp(express, express.urlencoded({ extended: true })),
  "express.text": expressApp(express, express.text({ type: "*/*" })),
  "express.raw": expressApp(express, express.raw({ type: "*/*" })),
  "express.json, which leaves forms alone": expressApp(express, express.json()),
  "Express 4's json, which leaves an empty object": expressApp(express4 as typeof express, express4.json()),
  "@koa/bodyparser": (psession) => {
    const app = new Koa();
    app.use(koa.sessions(psession) as unknown as Koa.Middleware);
    app.use(bodyParser());
    app.use(koa.devicesPage({ path: AT }) as unknown as Koa.Middleware);
    app.use(async (ctx) => {
      await (await ctx["openSession"]()).login("ada");
      ctx.body = "";
    });
    return serve(app.callback());
  },
  "@fastify/formbody": async (psession) => {
    const app = Fastify();
    await app.register(fastify.sessions, { psession });
    await app.register(formbody);
    await app.register(fastify.devicesPage, { prefix: AT });
    app.post("/login", async (request) => {
      await (await request.openSession()).login("ada");
      return "";
    });
    await app.ready();
    return serve((request, response) => app.routing(request, response));
  },
  "Hono's parseBody": (psession) => {
    const app = new Hono<{ Variables: hono.SessionVariables<TestData> }>();
    app.use(hono.sessions(psession));
    app.use(async (c, next) => {
      if (c.req.path === AT) await c.req.parseBody();
      await next();
    });
    app.use(hono.devicesPage({ path: AT }));
    app.post("/login", async (c) => {
      await (await c.var.session).login("ada");
      return c.text("");
    });
    return serve(getRequestListener(app.fetch));
  },
};

const submit = (client: HttpClient, fields: Record<string, string>, headers = {}): Promise<Answer> =>
  client.request(AT, {
    method: "POST",
    headers: { accept: "text/html", ...headers },
    body: new URLSearchParams(fields),
  });

const handleIn = ({ text }: Answer): string => /name="handle" value="([^"]+)"/.exec(text)?.[1] ?? "";

test.each(Object.entries(PARSED))("the page reads its form behind %s", async (_, serveOn) => {
  const app = testApp(overHttp);
  const client = new HttpClient(await serveOn(app.psession));
  await client.post("/login");
  const handle = handleIn(await client.get(AT));
  const { status, headers } = await submit(client, { do: "name", handle, name: "Kitchen & more" });
  expect([status, headers.get("location")]).toEqual([303, "?done=named"]);
  expect(await app.psession.devices("ada")).toMatchObject([{ name: "Kitchen & more" }]);
});

/** One on Express, of ada, and what Express got as errors. */
async function onePage(options: DevicesPageOptions = {}) {
  const app = testApp(overHttp);
  const errors: unknown[] = [];
  const site = express();
  site.use(onExpress.sessions(app.psession));
  site.post("/login", async ({ session }, response) => {
    await session.login("ada", { method: "oauth:acme" });
    response.end();
  });
  site.post("/act", async ({ session }, response) => {
    await session.login("support");
    await session.save();
    await session.impersonate("ada", { reason: "ticket" });
    response.end();
  });
  site.use(AT, onExpress.devicesPage(options));
  site.use(((error, _request, response, _next) => {
    errors.push(error);
    response.sendStatus(500);
  }) satisfies express.ErrorRequestHandler);
  const client = new HttpClient(await serve(site));
  return { app, client, errors, signedIn: () => client.post("/login") };
}

describe("the page of devices", () => {
  test("says that a sign-in is needed, with 401, where no page for that was named", async () => {
    const { client } = await onePage();
    const { status, text } = await client.get(AT, { accept: "text/html" });
    expect([status, text.match(/<(h1|p|li)[^>]*>[^<]*/g)]).toEqual([
      401,
      ["<h1>Your devices", expect.stringContaining(">Please sign in first.")],
    ]);
  });

  test("can be put into the application's own page, which decides about its policy", async () => {
    const { client, signedIn } = await onePage({
      render: ({ title, content, lang, dir }, { session }) =>
        `<!doctype html><html lang="${lang}" dir="${dir}"><title>${title}</title>${session.userId}${content}</html>`,
    });
    await signedIn();
    const { text, headers } = await client.get(`${AT}?done=named`);
    expect(text).toMatch(
      /^<!doctype html><html lang="en-GB" dir="ltr"><title>The name was saved\. – Your devices<\/title>ada<h1>/,
    );
    expect(text).not.toContain("<main");
    expect([headers.get("content-security-policy"), headers.get("cache-control")]).toEqual([
      null,
      "no-store",
    ]);
  });

  test("speaks each user's language, with dates and time zone", async () => {
    const arabic = {
      ...english,
      locale: "ar",
      devices: {
        ...english.devices,
        done: {
          ...english.devices.done,
          othersEnded: { zero: "0", one: "1", two: "2", few: "{count}", many: "{count}", other: "{count}" },
        },
      },
      credentialChanged: {
        ...english.credentialChanged,
        ended: { zero: "0", one: "1", two: "2", few: "{count}", many: "{count}", other: "{count}" },
      },
    };
    const { client, signedIn } = await onePage({
      timeZone: "Asia/Tokyo",
      localize: async ({ header }) =>
        ({ de: { texts: german, locale: "de-AT" }, ar: { texts: arabic } })[
          String(header("accept-language"))
        ] ?? {},
    });
    await signedIn();
    const inGerman = await client.get(AT, { "accept-language": "de" });
    expect(inGerman.text).toContain('<html lang="de" dir="ltr">');
    expect(inGerman.text).toMatch(/<dt>Zuletzt benutzt<\/dt><dd><time[^>]*>1\. Jänner 2030 um 09:00</);
    expect(inGerman.text).toContain("oauth:acme");
    expect((await client.get(AT, { "accept-language": "ar" })).text).toContain('<html lang="ar" dir="rtl">');
    expect((await client.get(AT, { "accept-language": "fr" })).text).toContain("<dt>Last used</dt>");
  });

  test("is not shown to an administrator as if the user were there", async () => {
    const { app, client } = await onePage();
    await client.post("/login");
    app.clock.advance(HOUR);
    const support = new HttpClient(client.base);
    await support.post("/act");
    const page = await support.get(AT);
    expect(page.text).toContain("You are acting as this user.");
    expect(page.text).not.toMatch(/value="(name|end-all)"|aria-current/);
    const handle = handleIn(page);
    expect((await submit(support, { do: "name", handle, name: "x" })).status).toBe(403);
    expect((await app.psession.devices("ada"))[0]?.name).toBeUndefined();
  });

  test("shows a browser that is trusted while nobody is signed in, and ends the trust", async () => {
    const { app, client, signedIn } = await onePage();
    await signedIn();
    const other = new TestBrowser(app);
    await other.visit(async (session) => {
      await session.login("ada");
      await session.trust();
      await session.logout();
    });
    app.clock.advance(DAY);
    await signedIn();
    const { text } = await client.get(AT);
    expect(text).toContain("No second step at sign-in until <time");
    const trusted = text.slice(text.indexOf("Nobody is signed in here"));
    const handle = /name="handle" value="([^"]+)"/.exec(trusted)?.[1] ?? "";
    expect(trusted).toMatch(/>Stop trusting</);
    expect((await submit(client, { do: "end", handle })).headers.get("location")).toBe("?done=ended");
    expect((await client.get(AT)).text).not.toContain("Nobody is signed in here");
  });

  test("names everything wrong with its options at once, and a faulty renderer or translation when it is used", async () => {
    const wrong = {
      stylesheet: "a b",
      render: "x",
      timeZone: "Mars",
      locale: "xx",
      fresh: { within: "10m" },
      texts: { ...english, theft: { ...english.theft, subject: "no site" } },
      redirectsTo: "/",
    };
    expect(() => onExpress.devicesPage(wrong as never)).toThrow(
      expect.objectContaining({ code: "invalid_options" }),
    );
    const message = messageOf(() => onExpress.devicesPage(wrong as never));
    for (const part of [
      "stylesheet",
      "render",
      "timeZone",
      "locale",
      "fresh",
      "theft.subject",
      "redirectsTo",
    ])
      expect(message).toContain(part);
    const { client, signedIn, errors } = await onePage({ render: () => undefined as never });
    await signedIn();
    expect((await client.get(AT)).status).toBe(500);
    expect(errors).toMatchObject([{ code: "invalid_options", message: expect.stringContaining("render") }]);
    const other = await onePage({ localize: () => ({ timezone: "UTC" }) as never });
    await other.signedIn();
    expect((await other.client.get(AT)).status).toBe(500);
    expect(other.errors).toMatchObject([
      { code: "invalid_options", message: expect.stringContaining("timezone") },
    ]);
  });
});

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}
