import type { AddressInfo } from "node:net";
import fastify, { type FastifyInstance, type FastifyServerOptions } from "fastify";
import { onTestFinished } from "vitest";
import { memoryStore, PsessionError, type PsessionOptions, type Store } from "../../../src/index.ts";
import {
  type FastifySession,
  type SessionsOptions,
  sessions,
} from "../../../src/integrations/fastify/index.ts";
import { overHttp, type TestApp, type TestData, testApp } from "../../support/app.ts";
import { HttpClient } from "../../support/http.ts";
import { counted, intercepted } from "../../support/stores.ts";

export interface Started extends TestApp {
  readonly app: FastifyInstance;
  readonly client: HttpClient;
  /** Names of the store's methods that were called. */
  readonly calls: string[];
  /** Lets every call of this method of the store fail; "" lets all succeed. */
  fail(method: string): void;
}

export interface StartOptions {
  readonly psession?: Partial<PsessionOptions>;
  readonly plugin?: Omit<SessionsOptions<TestData>, "psession">;
  readonly server?: FastifyServerOptions;
  /** What is there before the plugin. */
  readonly before?: (app: FastifyInstance) => unknown;
  /** Do not register the plugin: `define` does. */
  readonly bare?: boolean;
}

/** An application of Fastify on a free port of loopback, until the test ends. */
export async function start(
  define: (app: FastifyInstance, test: TestApp) => unknown,
  { psession = {}, plugin = {}, server = {}, before, bare = false }: StartOptions = {},
): Promise<Started> {
  let failing = "";
  const faulty: Store = intercepted(memoryStore(), async (name, call) => {
    if (name === failing) throw new PsessionError("store_unavailable", "The store is down.");
    return call();
  });
  const { store, calls } = counted(faulty);
  const test = testApp({ ...overHttp, store, ...psession });
  const app = fastify(server);
  onTestFinished(() => app.close());
  await before?.(app);
  if (!bare) await app.register(sessions<TestData>, { psession: test.psession, ...plugin });
  await define(app, test);
  await app.listen({ port: 0, host: "127.0.0.1" });
  const client = new HttpClient(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
  const fail = (method: string) => {
    failing = method;
  };
  return { ...test, app, client, calls, fail };
}

/** The session in the type of these tests, where it is open. */
export const sessionOf = (request: { session: unknown }) => request.session as FastifySession<TestData>;
