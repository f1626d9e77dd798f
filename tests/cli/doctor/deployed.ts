import { writeFileSync } from "node:fs";
import { createServer as createHttp, type IncomingHttpHeaders, request, type Server } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import express from "express";
import { onTestFinished } from "vitest";
import { createPsession, memoryStore, type PsessionOptions } from "../../../src/index.ts";
import { sessions } from "../../../src/integrations/express/index.ts";
import { KEY } from "../../support/app.ts";
import { selfSigned } from "../../support/certificate.ts";
import { closed, listening, serve } from "../../support/http.ts";
import { temporaryFolder } from "../../support/temp.ts";

/** An application; gives its address. */
export function application({
  trust = false,
  ...options
}: { trust?: boolean } & Partial<PsessionOptions> = {}): Promise<string> {
  const psession = createPsession({ store: memoryStore(), keys: [KEY], prune: false, ...options });
  const app = express();
  app.set("trust proxy", trust);
  app.get("/health", (_request, response) => void response.send("well"));
  app.get("/broken", (_request, response) => void response.sendStatus(500));
  app.use(sessions(psession));
  app.get("/", (_request, response) => void response.send("hello"));
  return serve(app);
}

export interface ProxyOptions {
  readonly isHttps?: boolean;
  /** What becomes of the headers that a visitor sent. */
  readonly headers?: (given: IncomingHttpHeaders) => IncomingHttpHeaders;
  /** What becomes of the application's. */
  readonly answer?: (given: IncomingHttpHeaders) => IncomingHttpHeaders;
  /** What becomes of the application's status. */
  readonly status?: (given: number, path: string) => number;
}

export interface Proxy {
  readonly url: string;
  /** Trust in its certificate. */
  readonly env: { readonly NODE_EXTRA_CA_CERTS: string };
}

/** A proxy that speaks https and passes everything on over http. */
export async function proxy(
  target: string,
  {
    isHttps = true,
    headers = (given) => given,
    answer = (given) => given,
    status = (given) => given,
  }: ProxyOptions = {},
): Promise<Proxy> {
  const { key, cert } = selfSigned();
  const file = join(temporaryFolder(), "certificate.pem");
  writeFileSync(file, cert);
  const handler: Parameters<typeof createHttp>[1] = (incoming, outgoing) => {
    const { method = "GET", url = "/" } = incoming;
    const passed = request(target + url, { method, headers: headers(incoming.headers) }, (response) => {
      const { statusCode = 502 } = response;
      outgoing.writeHead(status(statusCode, url), answer(response.headers));
      response.pipe(outgoing);
    });
    // The application answers before the bodies of these requests are complete.
    passed.end();
  };
  const server: Server = isHttps ? createHttps({ key, cert }, handler) : createHttp(handler);
  await listening(server);
  onTestFinished(() => closed(server));
  const { port } = server.address() as AddressInfo;
  return { url: `${isHttps ? "https" : "http"}://127.0.0.1:${port}/`, env: { NODE_EXTRA_CA_CERTS: file } };
}

export const overwriting = (given: IncomingHttpHeaders) => ({ ...given, "x-forwarded-proto": "https" });
