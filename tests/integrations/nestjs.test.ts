import "reflect-metadata";
import { Readable } from "node:stream";
import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  Controller,
  createParamDecorator,
  type ExecutionContext,
  Get,
  ImATeapotException,
  type INestApplication,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  Redirect,
  Sse,
  StreamableFile,
  UseGuards,
} from "@nestjs/common";
import { BaseExceptionFilter, NestFactory } from "@nestjs/core";
import type { Response } from "express";
import { from, map } from "rxjs";
import { describe, expect, onTestFinished, test } from "vitest";
import { PsessionError } from "../../src/index.ts";
import { type ExpressMiddleware, exclusive, sessions } from "../../src/integrations/express/index.ts";
import { overHttp, TestBrowser, type TestSession, testApp } from "../support/app.ts";
import { HttpClient } from "../support/http.ts";
import { failingStore } from "../support/stores.ts";

const SessionOf = createParamDecorator(
  (_data: unknown, context: ExecutionContext) =>
    context.switchToHttp().getRequest<{ session: TestSession }>().session,
);

/** The guard of docs/frameworks/nestjs.md, with less patience. */
class TurnGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { session } = context.switchToHttp().getRequest<{ session: TestSession }>();
    await session.exclusive({ wait: 0 });
    return true;
  }
}

/** The filter of docs/frameworks/nestjs.md. */
class SessionErrors extends BaseExceptionFilter<PsessionError> {
  override catch(error: PsessionError, host: ArgumentsHost): void {
    host.switchToHttp().getResponse<Response>().set(error.headers);
    super.catch(error, host);
  }
}
Catch(PsessionError)(SessionErrors);

class Pages {
  health(session: TestSession | undefined) {
    return session === undefined ? "none" : "some";
  }
  count(session: TestSession) {
    session.data.count = (session.data.count ?? 0) + 1;
    return { count: session.data.count };
  }
  turn(session: TestSession) {
    return this.count(session);
  }
  teapot(session: TestSession) {
    this.count(session);
    throw new ImATeapotException("short and stout");
  }
  order(session: TestSession) {
    this.count(session);
    return { url: "/orders/1", statusCode: 303 };
  }
  file(session: TestSession) {
    this.count(session);
    return new StreamableFile(Readable.from(["a ", "file"], { objectMode: false }));
  }
  events(session: TestSession) {
    this.count(session);
    return from(["one", "two"]).pipe(
      map((data) => {
        session.set("name", data);
        return { data };
      }),
    );
  }
}

/** What `@Get("count") count(@SessionOf() session)` compiles to: vitest takes decorators no better than Node does. */
for (const [name, ...decorators] of [
  ["health", Get("health")],
  ["count", Get("count")],
  ["teapot", Get("teapot")],
  ["order", Get("order"), Redirect()],
  ["file", Get("file")],
  ["events", Sse("events")],
  ["turn", Get("turn"), UseGuards(TurnGuard)],
] as const) {
  const descriptor = Object.getOwnPropertyDescriptor(Pages.prototype, name) as PropertyDescriptor;
  for (const decorate of decorators) (decorate as MethodDecorator)(Pages.prototype, name, descriptor);
  SessionOf()(Pages.prototype, name, 0);
}
Controller()(Pages);
async function start(
  mount?: (consumer: MiddlewareConsumer, middleware: ExpressMiddleware) => void,
  prepare?: (app: INestApplication) => void,
) {
  const { store, calls, failing } = failingStore();
  const tested = testApp({ ...overHttp, store });
  const { psession } = tested;
  class MountingModule implements NestModule {
    configure(consumer: MiddlewareConsumer) {
      mount?.(consumer, sessions(psession));
    }
  }
  Module({ controllers: [Pages] })(MountingModule);
  const app: INestApplication = await NestFactory.create(MountingModule, { logger: false });
  if (mount === undefined) app.use(sessions(psession));
  prepare?.(app);
  await app.listen(0, "127.0.0.1");
  onTestFinished(() => app.close());
  return { app: tested, calls, failing, client: new HttpClient(await app.getUrl()) };
}

describe("NestJS over Express", () => {
  test("a filter sends an error's headers, wherever it was thrown", async () => {
    const { client, app, failing } = await start(undefined, (nest) => {
      nest.useGlobalFilters(new SessionErrors(nest.getHttpAdapter()));
    });
    await client.get("/count");
    const holder = await new TestBrowser(app).open({ jar: client.jar });
    await holder.session.exclusive();
    const late = await client.get("/turn");
    expect([late.status, late.headers.get("retry-after"), late.headers.get("cache-control")]).toEqual([
      503,
      "1",
      "no-store",
    ]);
    await holder.answer();
    failing.add("findSession");
    const down = await client.get("/count");
    expect([down.status, down.headers.get("cache-control")]).toEqual([503, "no-store"]);
  });

  test.each<[string, (consumer: MiddlewareConsumer, middleware: ExpressMiddleware) => void]>([
    ["/turn", (consumer, middleware) => consumer.apply(middleware).forRoutes("*path")],
    [
      "/count",
      (consumer, middleware) => consumer.apply(middleware, exclusive({ wait: 0 })).forRoutes("*path"),
    ],
  ])("%s lets requests of a session through one by one", async (path, mount) => {
    const { client, app } = await start(mount);
    await client.get("/count");
    const holder = await new TestBrowser(app).open({ jar: client.jar });
    await holder.session.exclusive();
    const late = await client.get(path);
    expect([late.status, late.json]).toEqual([503, expect.not.objectContaining({ count: 2 })]);
    await holder.answer();
    expect((await client.get(path)).json).toEqual({ count: 2 });
  });

  test("an exception's page saves what the handler changed, and carries the cookie", async () => {
    const { client } = await start();
    const answer = await client.get("/teapot");
    expect([answer.status, answer.json.message, answer.setCookie.length]).toEqual([
      418,
      "short and stout",
      1,
    ]);
    expect((await client.get("/count")).json).toEqual({ count: 2 });
  });

  test("a save that fails is 503, and nothing of the handler's answer is sent", async () => {
    const { client, failing } = await start();
    await client.get("/count");
    failing.add("apply");
    for (const path of ["/count", "/order"]) {
      const answer = await client.get(path);
      expect([answer.status, answer.headers.get("location"), answer.setCookie]).toEqual([503, null, []]);
      expect(answer.text).not.toContain("count");
    }
    failing.clear();
    expect((await client.get("/count")).json).toEqual({ count: 2 });
  });

  test("a store that cannot be read is 503, and leaves the cookie alone", async () => {
    const { client, failing } = await start();
    await client.get("/count");
    failing.add("findSession");
    const answer = await client.get("/count");
    expect([answer.status, answer.setCookie]).toEqual([503, []]);
    failing.clear();
    expect((await client.get("/count")).json).toEqual({ count: 2 });
  });

  test("files and event streams carry the cookie, and what is changed while they run is saved", async () => {
    const { client } = await start();
    const file = await client.get("/file");
    expect([file.text, file.setCookie.length]).toEqual(["a file", 1]);
    client.jar.clear();
    const events = await client.get("/events");
    expect([events.text.match(/data: \w+/g), events.setCookie.length]).toEqual([
      ["data: one", "data: two"],
      1,
    ]);
    expect((await client.get("/count")).json).toEqual({ count: 2 });
  });

  test("mounted by a module, it leaves alone what the module excludes", async () => {
    const { client, calls } = await start((consumer, middleware) =>
      consumer.apply(middleware).exclude("health").forRoutes("*path"),
    );
    await client.get("/count");
    expect((await client.get("/count")).json).toEqual({ count: 2 });
    calls.length = 0;
    expect([(await client.get("/health")).text, calls]).toEqual(["none", []]);
  });
});
